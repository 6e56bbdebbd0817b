#ifndef HX_CHECK_H
#define HX_CHECK_H

/*
 * `ipsecsim check FILE...`: runs any vector, sidecar or recording file, told
 * apart by its schema member, and prints one JSON object per case.
 */

#include <jansson.h>
#include <stdio.h>

#include "hx_engine.h"

enum hx_result {
	HX_PASS,
	HX_FAIL,
	HX_UNSUPPORTED,
	HX_ERROR,
	HX_N_RESULTS
};

struct hx_check {
	FILE *out;
	bool quiet; /* only what is not a pass, and the summary */
	struct hx_engine engine;
	struct ipm_profile recording; /* whose kernel recordings are of */
	const char *file;             /* being checked */
	uint64_t count[HX_N_RESULTS];
	uint64_t not_compared; /* cases the file leaves open */
	uint64_t files;
};

/* Counts and prints one case. */
void hx_check_case(struct hx_check *c, const char *name, enum hx_result result,
    const char *why);

/*
 * The file kinds.  Return true when the file could be read as what it says it
 * is (cases may have failed); false after one line on standard error.
 */
bool hx_check_vectors(struct hx_check *c, const json_t *root);
bool hx_check_capture(struct hx_check *c, const json_t *root);

/* The command; argv[0] is "check".  Returns the exit status. */
int hx_cmd_check(int argc, char **argv);

/* Text of any octets: those that no JSON text has become "?". */
json_t *hx_json_text(const char *s);

/* A member that is a string, or NULL. */
const char *hx_json_str(const json_t *obj, const char *key);

#endif
