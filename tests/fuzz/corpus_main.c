/*
 * Runs a fuzz target over the files of a directory, so that every compiler
 * and every test run keeps the corpus working: each file as it is, cut at
 * every length, and changed in a few hundred ways that depend on its octets
 * alone.
 *
 * When the target gives up, the input in hand is written to a file that the
 * libFuzzer program takes.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define MUTANTS  200
#define CUTS_MAX 512 /* a longer file is cut at so many lengths */
#define GROWTH   64  /* the most that a mutant is longer */

/* The sanitizers' own, where they are built in. */
void __sanitizer_set_death_callback(void (*callback)(void))
    __attribute__((weak));

static const uint8_t *input;
static size_t input_len;
static unsigned long n_inputs;
static char finding[256]; /* "NAME.finding" */

static void
keep_input(void)
{
	int fd = open(finding, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return;
	if (write(fd, input, input_len) == (ssize_t)input_len)
		(void)dprintf(STDERR_FILENO, "\nthe input is in %s\n", finding);
	(void)close(fd);
}

static void
on_signal(int number)
{
	keep_input();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* Hands over a block of just this size, so that a read past it is seen. */
static void
run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len + (len == 0));

	if (copy == NULL)
		abort();
	if (len != 0)
		memcpy(copy, data, len);
	input = copy;
	input_len = len;
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	n_inputs++;
}

/* Marsaglia's xorshift64; the same numbers everywhere. */
static size_t
below(uint64_t *x, size_t n)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (size_t)(*x >> 11) % n;
}

/* One change to the *len octets of p, which has room for GROWTH more. */
static void
change(uint8_t *p, size_t *len, uint64_t *x)
{
	static const uint8_t edges[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	size_t n = *len, at = below(x, n), run_len = 1 + below(x, GROWTH / 4);

	if (run_len > n - at)
		run_len = n - at;
	switch (below(x, 5)) {
	case 0:
		p[at] ^= (uint8_t)(1U << below(x, 8));
		return;
	case 1:
		p[at] = edges[below(x, sizeof(edges))];
		return;
	case 2:
		p[at] = (uint8_t)(p[at] + below(x, 33) - 16);
		return;
	case 3: /* gone */
		memmove(p + at, p + at + run_len, n - at - run_len);
		*len = n - run_len;
		return;
	default: /* twice */
		memmove(p + at + run_len, p + at, n - at);
		*len = n + run_len;
		return;
	}
}

static void
mutate(const uint8_t *data, size_t len)
{
	uint8_t *p = malloc(len + GROWTH);
	uint64_t x = 0xcbf29ce484222325;

	if (p == NULL)
		abort();
	/* FNV-1a of the file, so that its neighbours do not matter. */
	for (size_t i = 0; i < len; i++)
		x = (x ^ data[i]) * 0x100000001b3;
	for (unsigned k = 0; k < MUTANTS; k++) {
		size_t n = len;

		memcpy(p, data, len);
		for (size_t c = 1 + below(&x, 4); c > 0 && n > 0; c--)
			change(p, &n, &x);
		run(p, n);
	}
	free(p);
}

static void
run_octets(const uint8_t *data, size_t len)
{
	const size_t step = 1 + len / CUTS_MAX;

	run(data, len);
	for (size_t n = 0; n < len; n += step)
		run(data, n);
	if (len != 0)
		mutate(data, len);
}

/* False when unreadable. */
static int
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf;
	long len;
	int ok;

	if (f == NULL)
		return 0;
	if (fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0 ||
	    fseek(f, 0, SEEK_SET) != 0) {
		(void)fclose(f);
		return 0;
	}
	buf = malloc((size_t)len + (len == 0));
	ok = buf != NULL && fread(buf, 1, (size_t)len, f) == (size_t)len;
	(void)fclose(f);
	if (ok)
		run_octets(buf, (size_t)len);
	free(buf);
	return ok;
}

/* How many files there are; 0 after a word on what could not be read. */
static unsigned
run_folder(const char *folder)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	unsigned n = 0;
	char path[4096];

	if (d == NULL) {
		(void)fprintf(stderr, "%s: no such corpus\n", folder);
		return 0;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (!run_file(path)) {
			(void)fprintf(stderr, "%s: unreadable\n", path);
			n = 0;
			break;
		}
		n++;
	}
	(void)closedir(d);
	if (n == 0)
		(void)fprintf(stderr, "%s: nothing was run\n", folder);
	return n;
}

int
main(int argc, char **argv)
{
	const char *name;
	unsigned n;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	name = strrchr(argv[1], '/');
	(void)snprintf(finding, sizeof(finding), "%s.finding",
	    name == NULL ? argv[1] : name + 1);
	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(keep_input);
	(void)signal(SIGABRT, on_signal);
	(void)signal(SIGSEGV, on_signal);
	n = run_folder(argv[1]);
	if (n == 0)
		return 1;
	(void)printf("%u files, %lu inputs\n", n, n_inputs);
	return 0;
}
