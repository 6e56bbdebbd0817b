/* Any octets as a setkey(8) script, read strictly and as the tool does; what
 * its statements make must be PF_KEY messages. */

#include "fuzz_config.h"
#include "hx_setkey_msg.h"

static void
check_message(const struct hx_octets *o)
{
	struct pfk_msg msg;
	struct pfk_ext ext[PFK_EXTS_MAX];
	uint8_t *again = malloc(o->len);
	size_t n, where, len;

	must(again != NULL);
	must(pfk_decode(&hx_setkey_codec, ipm_span(o->p, o->len), &msg, ext, &n,
		 &where) == PFK_FINE);
	must(msg.version == PFK_VERSION && msg.err == 0 && msg.pid == 7);
	must((size_t)8 * msg.len == o->len);
	for (size_t i = 0; i < n; i++) {
		must(ext[i].row != NULL);
		for (size_t k = 0; k < i; k++)
			must(ext[k].type != ext[i].type);
	}
	must(pfk_encode(&hx_setkey_codec, &msg, ext, n, again, o->len, &len) ==
	    IPM_OK);
	must(len == o->len && memcmp(again, o->p, len) == 0);
	free(again);
}

static void
check_messages(const struct hx_setkey *s)
{
	struct hx_setkey_msgs m = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		const size_t before = m.n;

		if (hx_setkey_compile(&s->stmt[i], 7, &m) != IPM_OK)
			must(m.n == before);
		else
			must(m.n > before);
	}
	for (size_t i = 0; i < m.n; i++)
		check_message(&m.msg[i].octets);
	hx_setkey_msgs_free(&m);
}

static void
read_strictly(const char *text, size_t size)
{
	struct hx_setkey s;
	struct hx_setkey_result r;
	struct hx_err err;

	if (!hx_setkey_parse(text, size, "x:", &s, &err)) {
		check_error(&err, "x:");
		return;
	}
	check_messages(&s);
	if (hx_setkey_run(&s, "x:", &r, &err)) {
		check_sas(r.sas.sas, r.sas.n);
		hx_salist_free(&r.sas);
	} else {
		check_error(&err, "x:");
	}
	hx_setkey_free(&s);
}

static void
read_as_tool(const char *text, size_t size)
{
	static const char table[] = "::1 a b\n127.0.0.1 a\n";
	struct hx_hosts hosts;
	struct hx_setkey s;
	struct hx_err err;

	must(hx_hosts_parse(table, sizeof(table) - 1, "h", &hosts, &err));
	must(hx_setkey_parse_tool(
	    text, size, &(struct hx_setkey_opts){ .hosts = &hosts }, &s, &err));
	must(!s.failed || s.n_notes > 0);
	for (size_t i = 0; i < s.n_notes; i++) {
		must(s.note[i].before <= s.n);
		for (const char *p = s.note[i].text; *p != '\0'; p++)
			must(*p >= 0x20 && *p < 0x7f);
	}
	check_messages(&s);
	hx_setkey_free(&s);
	hx_hosts_free(&hosts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_strictly((const char *)data, size);
	read_as_tool((const char *)data, size);
	return 0;
}
