/*
 * Runs a fuzz target over the files of a directory, so that every compiler
 * and every test run keeps the corpus working.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Hands over one file in a block of its own size; false when unreadable. */
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
	if (ok)
		(void)LLVMFuzzerTestOneInput(buf, (size_t)len);
	free(buf);
	(void)fclose(f);
	return ok;
}

int
main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		const struct dirent *e;
		char path[4096];

		if (d == NULL) {
			(void)fprintf(stderr, "%s: no such corpus\n", argv[i]);
			return 1;
		}
		while ((e = readdir(d)) != NULL) {
			if (e->d_name[0] == '.')
				continue;
			(void)snprintf(
			    path, sizeof(path), "%s/%s", argv[i], e->d_name);
			if (!run_file(path)) {
				(void)fprintf(stderr, "%s: unreadable\n", path);
				(void)closedir(d);
				return 1;
			}
			n++;
		}
		(void)closedir(d);
	}
	(void)printf("%u files\n", n);
	return n == 0;
}
