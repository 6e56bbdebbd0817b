#ifndef HX_CMD_SETKEY_H
#define HX_CMD_SETKEY_H

/* `ipsecsim setkey`: scripts of setkey(8) on a key engine of our own. */

int hx_cmd_setkey(int argc, char **argv);

#endif
