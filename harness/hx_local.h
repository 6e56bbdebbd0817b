#ifndef HX_LOCAL_H
#define HX_LOCAL_H

/*
 * `ipsecsim replay --local`: the model in the place of a host or gateway of a
 * capture.  Frames sent by it are what it is expected to send, all others are
 * its input; what it sends is held against the capture field by field.
 */

/* argv as of `replay`; the exit status. */
int hx_cmd_local(int argc, char **argv);

#endif
