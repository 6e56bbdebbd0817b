/* ipsecsim: the commands, one row each. */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hx_check.h"
#include "hx_cmd_run.h"
#include "hx_cmd_setkey.h"
#include "hx_pfkey.h"
#include "hx_replay.h"
#include "hx_stats.h"
#include "hx_sysctl.h"
#include "hx_tables.h"

#define VERSION "0.1.0"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *does;
} commands[] = {
	{ "replay", hx_cmd_replay, "a verdict for every frame of a capture" },
	{ "explain", hx_cmd_explain, "one frame of a capture in full" },
	{ "check", hx_cmd_check, "run vectors, sidecars, recordings" },
	{ "pfkey", hx_cmd_pfkey, "PF_KEY messages: read, judge, play" },
	{ "setkey", hx_cmd_setkey, "setkey(8) on a key engine of our own" },
	{ "sysctl", hx_cmd_sysctl, "the variables: show and set them" },
	{ "stats", hx_cmd_stats, "the counters and when they count" },
	{ "run", hx_cmd_run, "scenarios: events and what is expected of them" },
	{ "record", hx_cmd_record, "a scenario with what came of it" },
	{ "bisect", hx_cmd_bisect, "where a run and its expectations part" },
	{ "sweep", hx_cmd_sweep, "a packet under many sysctls" },
	{ "reasons", hx_cmd_reasons, "every way a packet can end" },
	{ "profiles", hx_cmd_profiles, "the switches and their profiles" },
	{ "crypto", hx_cmd_crypto, "the algorithms (crypto list)" },
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void
usage(FILE *out)
{
	(void)fputs("usage: ipsecsim COMMAND [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		(void)fprintf(
		    out, "  %-10s %s\n", commands[i].name, commands[i].does);
	(void)fputs("\nipsecsim COMMAND --help tells of one.\n", out);
}

static int
run(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("ipsecsim " VERSION);
		return 0;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	(void)fprintf(stderr,
	    "ipsecsim: unknown command %s (ipsecsim help lists them)\n",
	    argv[1]);
	return 2;
}

/*
 * What could not be written was not said: no command succeeds then.  One that
 * has found so itself has told it and answers 3.
 */
int
main(int argc, char **argv)
{
	int status = run(argc, argv);
	bool flushed = fflush(stdout) == 0;

	if ((flushed && !ferror(stdout)) || status == 3)
		return status;
	(void)fprintf(stderr, "ipsecsim: standard output: %s\n",
	    flushed ? "cannot be written" : strerror(errno));
	return 3;
}
