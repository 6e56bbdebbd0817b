#ifndef HX_REPLAY_H
#define HX_REPLAY_H

/* `ipsecsim replay` and `ipsecsim explain`: a capture through the observer. */

int hx_cmd_replay(int argc, char **argv);
int hx_cmd_explain(int argc, char **argv);

#endif
