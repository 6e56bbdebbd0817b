#ifndef HX_CMD_RUN_H
#define HX_CMD_RUN_H

/* The commands that work on scenarios. */

int hx_cmd_run(int argc, char **argv);
int hx_cmd_record(int argc, char **argv);
int hx_cmd_bisect(int argc, char **argv);
int hx_cmd_sweep(int argc, char **argv);

#endif
