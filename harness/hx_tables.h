#ifndef HX_TABLES_H
#define HX_TABLES_H

/* The commands that print the model's tables. */

int hx_cmd_reasons(int argc, char **argv);
int hx_cmd_profiles(int argc, char **argv);
int hx_cmd_crypto(int argc, char **argv);

#endif
