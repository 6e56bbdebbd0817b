#include "vec_file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

json_t *
vec_load(const char *path)
{
	char full[512];
	json_error_t err;
	json_t *root;

	(void)snprintf(full, sizeof full, "%s/%s", SOURCE_DIR, path);
	root = json_load_file(full, 0, &err);
	cr_assert_not_null(root, "%s: %s", full, err.text);
	return root;
}

const char *
vec_text(const json_t *obj, const char *name)
{
	const char *s = json_string_value(json_object_get(obj, name));

	return s == NULL ? "" : s;
}

struct hx_octets
vec_octets(const json_t *obj, const char *name)
{
	struct hx_octets o;

	cr_assert(hx_hex_read(vec_text(obj, name), &o), "%s", name);
	return o;
}

size_t
vec_each(const char *const *paths, size_t n, const char *operation,
    void (*f)(const json_t *j, void *ctx), void *ctx)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		json_t *root = vec_load(paths[i]), *j;
		size_t k;

		json_array_foreach(json_object_get(root, "cases"), k, j)
		{
			if (strcmp(vec_text(j, "operation"), operation) != 0)
				continue;
			f(j, ctx);
			found++;
		}
		json_decref(root);
	}
	return found;
}
