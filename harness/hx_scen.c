#include "hx_scen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/ipm_bytes.h"

static char *
slurp(const char *file, size_t *len, struct hx_err *err)
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "rb");
	char *p = NULL;
	size_t cap = 0, n;

	*len = 0;
	if (f == NULL) {
		hx_err_set(err, file, 0, 0, "%s", strerror(errno));
		return NULL;
	}
	do {
		if (*len + 1 >= cap) {
			char *q = realloc(p, cap = cap == 0 ? 65536 : cap * 2);

			if (q == NULL) {
				hx_err_set(err, file, 0, 0, "out of memory");
				free(p);
				p = NULL;
				break;
			}
			p = q;
		}
		n = fread(p + *len, 1, cap - *len - 1, f);
		*len += n;
	} while (n > 0);
	if (p != NULL && ferror(f)) {
		hx_err_set(err, file, 0, 0, "%s", strerror(errno));
		free(p);
		p = NULL;
	}
	if (f != stdin)
		(void)fclose(f);
	if (p != NULL)
		p[*len] = '\0';
	return p;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Splits the line at p (ended by NUL, changed) into words. */
static bool
split(struct hx_scen_line *l, char *p, const char *file, struct hx_err *err)
{
	while (*p != '\0') {
		char *to = p, *word = p;
		bool quoted = false;

		if (is_blank(*p)) {
			p++;
			continue;
		}
		if (*p == '#')
			break;
		if (l->n == HX_SCEN_WORDS) {
			hx_err_set(err, file, l->line, 0, "more than %u words",
			    HX_SCEN_WORDS);
			return false;
		}
		for (; *p != '\0' && (quoted || !is_blank(*p)); p++) {
			if (*p == '"')
				quoted = !quoted;
			else
				*to++ = *p;
		}
		if (quoted) {
			hx_err_set(
			    err, file, l->line, 0, "a quote that does not end");
			return false;
		}
		if (*p != '\0')
			p++;
		*to = '\0';
		l->word[l->n++] = word;
	}
	return true;
}

/* "[ID]" at the end of an expectation. */
static void
take_id(struct hx_scen_line *l)
{
	char *w;
	size_t len;

	if (!l->expect || l->n == 0)
		return;
	w = l->word[l->n - 1];
	len = strlen(w);
	if (len < 3 || w[0] != '[' || w[len - 1] != ']')
		return;
	w[len - 1] = '\0';
	l->id = w + 1;
	l->n--;
}

static bool
check_order(const struct hx_scen *s, struct hx_err *err)
{
	const struct hx_scen_line *first = s->n == 0 ? NULL : &s->line[0];

	if (first == NULL || first->expect || first->n != 2 ||
	    strcmp(first->word[0], "scenario") != 0) {
		hx_err_set(err, s->file, first == NULL ? 0 : first->line, 0,
		    "a scenario begins with the line \"scenario 1\"");
		return false;
	}
	if (strcmp(first->word[1], "1") != 0) {
		hx_err_set(err, s->file, first->line, 0,
		    "version of the scenario is not 1");
		return false;
	}
	if (s->n > 1 && s->line[1].expect) {
		hx_err_set(err, s->file, s->line[1].line, 0,
		    "an expectation before any event");
		return false;
	}
	return true;
}

static bool
add_line(struct hx_scen *s, size_t *cap, unsigned number, char *text,
    char *words, struct hx_err *err)
{
	struct hx_scen_line *l;
	size_t len;

	while (is_blank(*text)) {
		text++;
		words++;
	}
	if (*text == '\0' || *text == '#')
		return true;
	len = strlen(text);
	while (len > 0 && is_blank(text[len - 1]))
		text[--len] = '\0';
	if (s->n == *cap) {
		size_t n = *cap == 0 ? 64 : *cap * 2;
		struct hx_scen_line *q = realloc(s->line, n * sizeof *q);

		if (q == NULL) {
			hx_err_set(err, s->file, number, 0, "out of memory");
			return false;
		}
		s->line = q;
		*cap = n;
	}
	l = &s->line[s->n];
	memset(l, 0, sizeof *l);
	l->line = number;
	l->text = text;
	l->expect = *words == '>';
	if (!split(l, words + (l->expect ? 1 : 0), s->file, err))
		return false;
	take_id(l);
	if (l->n == 0) {
		hx_err_set(err, s->file, number, 0, "nothing is expected here");
		return false;
	}
	s->n++;
	return true;
}

/* s->texts has len octets and a NUL: becomes lines. */
static bool
parse(struct hx_scen *s, size_t len, struct hx_err *err)
{
	size_t cap = 0;
	unsigned number = 1;

	s->len = len;
	if (memchr(s->texts, '\0', len) != NULL) {
		hx_err_set(err, s->file, 0, 0, "not a text file");
		return false;
	}
	s->words = malloc(len + 1);
	if (s->words == NULL) {
		hx_err_set(err, s->file, 0, 0, "out of memory");
		return false;
	}
	for (size_t i = 0; i < len; i++)
		if (s->texts[i] == '\n')
			s->texts[i] = '\0';
	memcpy(s->words, s->texts, len + 1);
	for (size_t at = 0; at < len; number++) {
		size_t n = strlen(s->texts + at);

		if (!add_line(
			s, &cap, number, s->texts + at, s->words + at, err))
			return false;
		at += n + 1;
	}
	return check_order(s, err);
}

bool
hx_scen_parse(const char *text, size_t len, const char *file, struct hx_scen *s,
    struct hx_err *err)
{
	memset(s, 0, sizeof *s);
	s->file = file;
	s->texts = malloc(len + 1);
	if (s->texts == NULL) {
		hx_err_set(err, file, 0, 0, "out of memory");
		return false;
	}
	memcpy(s->texts, text, len);
	s->texts[len] = '\0';
	if (parse(s, len, err))
		return true;
	hx_scen_free(s);
	return false;
}

bool
hx_scen_read(const char *file, struct hx_scen *s, struct hx_err *err)
{
	size_t len;

	memset(s, 0, sizeof *s);
	s->file = file;
	s->texts = slurp(file, &len, err);
	if (s->texts == NULL)
		return false;
	if (parse(s, len, err))
		return true;
	hx_scen_free(s);
	return false;
}

void
hx_scen_free(struct hx_scen *s)
{
	if (s->texts != NULL)
		ipm_wipe(s->texts, s->len);
	if (s->words != NULL)
		ipm_wipe(s->words, s->len);
	free(s->texts);
	free(s->words);
	free(s->line);
	memset(s, 0, sizeof *s);
}
