#include "pfk_rules_int.h"

#include <string.h>

/* --- findings ------------------------------------------------------------------ */

void
pfk_find_at(struct pfk_judge *j, enum pfk_rule rule, size_t off,
    const char *ext, const char *field)
{
	unsigned by = pfk_rule_by(rule, j->dialect, j->pf);

	if (by >> 8 == PFK_IGNORED || j->n == PFK_FINDINGS_MAX)
		return;
	j->out[j->n++] = (struct pfk_finding){ rule, off, ext, field,
		(uint8_t)(by & 0xff), (uint8_t)(by >> 8) };
}

static const struct pfk_field *
field_of(const struct pfk_judge *j, unsigned type, const char *name)
{
	const struct pfk_ext_row *row =
	    pfk_ext_row(j->c->dialect, (uint16_t)type);

	for (size_t i = 0;
	     row != NULL && i < PFK_FIELDS_MAX && row->field[i].name != NULL;
	     i++)
		if (strcmp(row->field[i].name, name) == 0)
			return &row->field[i];
	return NULL;
}

static const char *
ext_name(const struct pfk_judge *j, unsigned type)
{
	const struct pfk_ext_row *row =
	    pfk_ext_row(j->c->dialect, (uint16_t)type);

	return row == NULL ? "extension" : row->name;
}

void
pfk_find(
    struct pfk_judge *j, enum pfk_rule rule, unsigned type, const char *field)
{
	const struct pfk_field *f =
	    field == NULL ? NULL : field_of(j, type, field);

	pfk_find_at(j, rule, j->off[type] + (f == NULL ? 0 : f->off),
	    ext_name(j, type), field);
}

bool
pfk_has(const struct pfk_judge *j, unsigned type)
{
	return (j->seen & PFK_BIT(type)) != 0;
}

uint64_t
pfk_value(const struct pfk_judge *j, unsigned type, const char *field)
{
	const struct pfk_field *f = field_of(j, type, field);

	if (f == NULL || !pfk_has(j, type) ||
	    (size_t)f->off + f->size > j->len[type])
		return 0;
	return pfk_get(j->c, f, j->msg.p + j->off[type]);
}

struct ipm_span
pfk_tail_of(const struct pfk_judge *j, unsigned type)
{
	const struct pfk_ext_row *row =
	    pfk_ext_row(j->c->dialect, (uint16_t)type);

	if (!pfk_has(j, type) || row == NULL || j->len[type] < row->size)
		return ipm_span(NULL, 0);
	return ipm_span_sub(
	    j->msg, j->off[type] + row->size, j->len[type] - row->size);
}

/* --- sockaddrs ------------------------------------------------------------------ */

bool
pfk_sa_head(
    const struct pfk_judge *j, struct ipm_span s, uint16_t *family, size_t *len)
{
	static const struct pfk_field wide = { "family", 0, 2, PFK_HOST };

	*family = 0;
	*len = 0;
	if (s.len < 2)
		return false;
	if (!j->c->dialect->sa_len) {
		*family = (uint16_t)pfk_get(j->c, &wide, s.p);
		*len = pfk_family_len(j, *family);
		return true;
	}
	*len = s.p[0];
	*family = s.p[1];
	return true;
}

size_t
pfk_family_len(const struct pfk_judge *j, uint16_t family)
{
	return family == 2 ? 16 : family == j->c->dialect->af_inet6 ? 28 : 0;
}

unsigned
pfk_family_bits(const struct pfk_judge *j, uint16_t family)
{
	return family == 2 ? 32 : family == j->c->dialect->af_inet6 ? 128 : 0;
}

/* --- the base header ------------------------------------------------------------- */

static const struct pfk_field header[] = { { "version", 0, 1, PFK_HOST },
	{ "type", 1, 1, PFK_HOST }, { "errno", 2, 1, PFK_HOST },
	{ "satype", 3, 1, PFK_HOST }, { "len", 4, 2, PFK_HOST },
	{ "reserved", 6, 2, PFK_HOST } };
enum {
	H_VERSION,
	H_TYPE,
	H_ERRNO,
	H_SATYPE,
	H_LEN,
	H_RESERVED
};

static void
find_header(struct pfk_judge *j, enum pfk_rule rule, unsigned h)
{
	pfk_find_at(j, rule, header[h].off, NULL, header[h].name);
}

static unsigned
highest_type(const struct pfk_dialect *d)
{
	unsigned most = 0;

	for (const struct pfk_name *m = d->msgs; m->name != NULL; m++)
		if (m->number > most)
			most = m->number;
	return most;
}

/* False: there is nothing behind it to be judged. */
static bool
judge_header(struct pfk_judge *j)
{
	if (j->msg.len < PFK_HDR_LEN) {
		pfk_find_at(j, PFK_RULE_HDR_SHORT, j->msg.len, NULL, NULL);
		return false;
	}
	j->m.version = j->msg.p[0];
	j->m.type = j->msg.p[1];
	j->m.err = j->msg.p[2];
	j->m.satype = j->msg.p[3];
	j->m.len = (uint16_t)pfk_get(j->c, &header[H_LEN], j->msg.p);
	j->m.reserved = (uint16_t)pfk_get(j->c, &header[H_RESERVED], j->msg.p);
	/* [PFKEY-2.1-03] [PFKEY-2.1-04] */
	if ((size_t)j->m.len * 8 != j->msg.len) {
		find_header(j, PFK_RULE_HDR_LEN, H_LEN);
		return false;
	}
	/* [PFKEY-2.1-02] */
	if (j->m.version != PFK_VERSION)
		find_header(j, PFK_RULE_HDR_VERSION, H_VERSION);
	if (j->m.type > highest_type(j->c->dialect))
		find_header(j, PFK_RULE_HDR_TYPE, H_TYPE);
	if (j->m.type == 0)
		find_header(j, PFK_RULE_HDR_TYPE_ZERO, H_TYPE);
	if (j->m.reserved != 0)
		find_header(j, PFK_RULE_HDR_RESERVED, H_RESERVED);
	if (j->m.err != 0 && j->msg.len > PFK_HDR_LEN)
		find_header(j, PFK_RULE_HDR_ERRNO, H_ERRNO);
	if (j->msg.len > PFK_MSG_MAX)
		find_header(j, PFK_RULE_HDR_LONG, H_LEN);
	return true;
}

/* --- one extension ---------------------------------------------------------------- */

/* What OpenBSD and Linux look at in the sockaddr itself. */
static void
judge_address(struct pfk_judge *j, const struct pfk_ext_row *row, size_t off,
    const struct pfk_sockaddr *sa)
{
	size_t at = off + row->size;
	const uint8_t *prefix =
	    row->field[1].name == NULL ? NULL : j->msg.p + off;
	uint8_t filled = 0;

	if (prefix != NULL &&
	    pfk_get(j->c, &row->field[1], prefix) >
		pfk_family_bits(j, sa->family))
		pfk_find_at(j, PFK_RULE_EXT_ADDR_PREFIX,
		    off + row->field[1].off, row->name, row->field[1].name);
	/* [PFKEY-2.3.3-05] */
	if (sa->port != 0 &&
	    (pfk_address_rows[j->dialect].ported & PFK_BIT(row->type)) == 0)
		pfk_find_at(
		    j, PFK_RULE_EXT_ADDR_PORT, at + 2, row->name, "port");
	/* [PFKEY-2.3.3-04] */
	for (size_t i = 0; i < sa->rest.len; i++)
		filled |= sa->rest.p[i];
	if (filled != 0 || sa->flowinfo != 0)
		pfk_find_at(j, PFK_RULE_EXT_ADDR_FILL,
		    at + (filled != 0 ? 8 : 4), row->name,
		    filled != 0 ? "zero" : "flowinfo");
}

/* The stated length of the sockaddr must fill the extension (facts pfkey
 * 3.2 10e); Linux goes by the family instead. */
static void
judge_sockaddr(struct pfk_judge *j, const struct pfk_ext_row *row, size_t off,
    size_t octets)
{
	size_t at = off + row->size, len;
	struct ipm_span s = ipm_span_from(j->msg, at);
	struct pfk_sockaddr sa;
	uint16_t family;

	if (octets < row->size + 2U) {
		pfk_find_at(j, PFK_RULE_ADDR_ROOM, off, row->name, "len");
		return;
	}
	if (!pfk_sa_head(j, s, &family, &len))
		return; /* runs past the end, which is found next */
	if ((len != 0 || j->c->dialect->sa_len) &&
	    row->size + (len + 7) / 8 * 8 != octets) {
		pfk_find_at(j, PFK_RULE_ADDR_ROOM, at, row->name, "sockaddr");
		return;
	}
	if (pfk_family_len(j, family) == 0)
		pfk_find_at(
		    j, PFK_RULE_EXT_ADDR_FAMILY, at, row->name, "family");
	else if (len != pfk_family_len(j, family))
		pfk_find_at(j, PFK_RULE_EXT_ADDR_LEN, at, row->name, "sa_len");
	else if (pfk_sockaddr_read(j->c, s, &sa) != 0 && sa.known)
		judge_address(j, row, off, &sa);
}

static bool
has_sockaddr(
    const struct pfk_judge *j, const struct pfk_ext_row *row, size_t off)
{
	static const struct pfk_field idtype = { "idtype", 4, 2, PFK_HOST };

	if (row->tail == PFK_TAIL_SOCKADDR)
		return (pfk_address_rows[j->dialect].walked &
			   PFK_BIT(row->type)) != 0;
	/* SADB_X_IDENTTYPE_ADDR */
	return row->tail == PFK_TAIL_STRING && j->dialect <= PFK_D_NETBSD &&
	    off + 6 <= j->msg.len &&
	    pfk_get(j->c, &idtype, j->msg.p + off) == 4;
}

/* Returns the octets to go on by, 0 when the walk ends here. */
static size_t
judge_ext(struct pfk_judge *j, size_t off)
{
	static const struct pfk_field len_field = { "len", 0, 2, PFK_HOST };
	static const struct pfk_field type_field = { "exttype", 2, 2,
		PFK_HOST };
	const uint8_t *p = j->msg.p + off;
	size_t octets = (size_t)pfk_get(j->c, &len_field, p) * 8;
	unsigned type = (unsigned)pfk_get(j->c, &type_field, p);
	const struct pfk_ext_row *row =
	    pfk_ext_row(j->c->dialect, (uint16_t)type);
	const struct pfk_msg_row *msg = pfk_msg_row(j->c->dialect, j->m.type);
	const char *name = row == NULL ? "extension" : row->name;
	bool sound = true;

	if (type == 0) {
		pfk_find_at(
		    j, PFK_RULE_EXT_TYPE_ZERO, off + 2, name, "exttype");
	} else if (row == NULL) {
		pfk_find_at(j, PFK_RULE_EXT_TYPE, off + 2, name, "exttype");
	} else if (strcmp(row->name, "X_KMPRIVATE") == 0) {
		pfk_find_at(j, PFK_RULE_EXT_REFUSED, off + 2, name, "exttype");
		/* As good as unknown. */
		if (j->dialect <= PFK_D_NETBSD)
			row = NULL;
	}
	if (type != 0 && type < 64 && row != NULL && msg != NULL &&
	    ((msg->need_in | msg->may_in) & PFK_BIT(type)) == 0)
		pfk_find_at(j, PFK_RULE_EXT_NOT_ALLOWED, off, name, NULL);
	if (row != NULL && pfk_has(j, type))
		pfk_find_at(j, PFK_RULE_EXT_DUP, off, name, NULL);
	if (octets == 0)
		pfk_find_at(j, PFK_RULE_EXT_ZERO, off, name, "len");
	else if (row != NULL && octets < row->size)
		pfk_find_at(j, PFK_RULE_EXT_SHORT, off, name, "len");
	else if (row != NULL && row->max != 0 && octets > row->max)
		pfk_find_at(j, PFK_RULE_EXT_LONG, off, name, "len");
	else if (row != NULL && has_sockaddr(j, row, off))
		judge_sockaddr(j, row, off, octets);
	if (row != NULL && octets < row->size)
		sound = false;
	if (octets > j->msg.len - off) {
		pfk_find_at(j, PFK_RULE_EXT_PAST_END, off, name, "len");
		return 0;
	}
	if (sound && row != NULL && type < 64 && !pfk_has(j, type)) {
		j->seen |= PFK_BIT(type);
		j->off[type] = off;
		j->len[type] = octets;
	}
	return octets;
}

static void
walk(struct pfk_judge *j)
{
	size_t off = PFK_HDR_LEN;

	while (off < j->msg.len) {
		size_t octets = judge_ext(j, off);

		if (octets == 0) {
			j->cut = true;
			return;
		}
		off += octets;
	}
}

/* --- presence ----------------------------------------------------------------------- */

/* Type numbers in ascending order, so that findings stay in one order. */
static void
judge_needed(struct pfk_judge *j, uint64_t need, enum pfk_rule rule)
{
	for (unsigned type = 1; type < 63; type++)
		if ((need & PFK_BIT(type)) != 0 && !pfk_has(j, type))
			pfk_find_at(
			    j, rule, j->msg.len, ext_name(j, type), NULL);
}

static void
judge_unwanted(struct pfk_judge *j, uint64_t may, enum pfk_rule rule)
{
	for (unsigned type = 1; type < 63; type++)
		if ((may & PFK_BIT(type)) == 0 && pfk_has(j, type))
			pfk_find(j, rule, type, NULL);
}

/* --- satype against type (facts pfkey 3.2.1) ------------------------------------------ */

enum satype_class {
	SAT_ZERO,
	SAT_IPSEC, /* one that this kernel has SAs for */
	SAT_OTHER, /* RSVP and its like */
	SAT_UNKNOWN
};

static enum satype_class
satype_class(const struct pfk_judge *j)
{
	static const char *const other[] = { "rsvp", "ospfv2", "ripv2", "mip" };
	const char *name = pfk_name(j->c->dialect->satypes, j->m.satype);

	if (j->m.satype == 0)
		return SAT_ZERO;
	if (name == NULL)
		return SAT_UNKNOWN;
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		if (strcmp(name, other[i]) == 0)
			return SAT_OTHER;
	return SAT_IPSEC;
}

enum msg_class {
	MSG_SA,     /* about one SA */
	MSG_POLICY, /* SPD messages, which have no SA type */
	MSG_ALL,    /* one SA type or all of them */
	MSG_PROMISC
};

static enum msg_class
msg_class(const struct pfk_judge *j)
{
	const char *name = pfk_name(j->c->dialect->msgs, j->m.type);

	if (name == NULL)
		return MSG_ALL;
	if (j->m.type == PFK_X_PROMISC)
		return MSG_PROMISC;
	if (j->m.type >= PFK_GETSPI && j->m.type <= PFK_EXPIRE &&
	    j->m.type != PFK_REGISTER)
		return MSG_SA;
	if (strncmp(name, "X_SPD", 5) == 0 && j->m.type != PFK_X_SPDACQUIRE &&
	    j->m.type != PFK_X_SPDEXPIRE)
		return MSG_POLICY;
	return MSG_ALL;
}

/* OpenBSD's policies are flows, whose SA type is looked at by the kernel's
 * state alone; Linux does not look in policy messages. */
static bool
satype_counts(const struct pfk_judge *j, enum msg_class class)
{
	if (j->dialect == PFK_D_LINUX)
		return class == MSG_SA || j->m.type == PFK_REGISTER ||
		    j->m.type == PFK_FLUSH || j->m.type == PFK_DUMP;
	if (j->dialect == PFK_D_OPENBSD)
		return class == MSG_SA || j->m.type == PFK_FLUSH;
	return true;
}

/* Does a kernel of the dialect do as Linux does where the switch says so? */
static bool
as_linux(const struct pfk_judge *j, enum ipm_switch sw)
{
	return j->dialect == PFK_D_LINUX ||
	    (j->dialect == PFK_D_FREEBSD && j->pf != NULL &&
		ipm_sw(j->pf, sw) == IPM_ON);
}

/* X_SPDDUMP selects by scopes, where policies have them (facts pfkey 1.10). */
static bool
judge_scope(struct pfk_judge *j)
{
	if (j->dialect != PFK_D_FREEBSD || j->m.type != PFK_X_SPDDUMP ||
	    ipm_sw(j->pf, IPM_SW_POLICY_SCOPE) == IPM_OFF)
		return false;
	if (j->m.satype != 0 && j->m.satype != 1 && j->m.satype != 2 &&
	    j->m.satype != 4)
		find_header(j, PFK_RULE_SATYPE_UNKNOWN, H_SATYPE);
	return true;
}

static void
judge_satype(struct pfk_judge *j)
{
	enum satype_class satype = satype_class(j);
	enum msg_class class = msg_class(j);

	if (!satype_counts(j, class) || judge_scope(j) ||
	    (class == MSG_PROMISC && j->m.satype == 1))
		return;
	switch (satype) {
	case SAT_ZERO:
		if (class == MSG_SA)
			find_header(j, PFK_RULE_SATYPE_UNSPEC, H_SATYPE);
		break;
	case SAT_IPSEC:
		if (class == MSG_POLICY)
			find_header(j, PFK_RULE_SATYPE_GIVEN, H_SATYPE);
		break;
	case SAT_OTHER:
		/* Linux takes registrations for any type it has a name of. */
		if (!(as_linux(j, IPM_SW_PFK_SATYPES) &&
			j->m.type == PFK_REGISTER))
			find_header(j, PFK_RULE_SATYPE_OTHER, H_SATYPE);
		break;
	case SAT_UNKNOWN:
		find_header(j, PFK_RULE_SATYPE_UNKNOWN, H_SATYPE);
		break;
	}
}

/* --- the pair of addresses (facts pfkey 3.2 step 12) ------------------------------------ */

static void
find_sockaddr(
    struct pfk_judge *j, enum pfk_rule rule, unsigned type, const char *field)
{
	const struct pfk_ext_row *row =
	    pfk_ext_row(j->c->dialect, (uint16_t)type);

	pfk_find_at(j, rule, j->off[type] + row->size, row->name, field);
}

/* [PFKEY-2.3.3-08] */
static void
judge_source(struct pfk_judge *j)
{
	struct pfk_sockaddr sa;

	if (msg_class(j) == MSG_SA &&
	    pfk_sockaddr_read(j->c, pfk_tail_of(j, PFK_EXT_ADDRESS_SRC), &sa) !=
		0 &&
	    sa.known && pfk_is_group(&sa.addr))
		find_sockaddr(
		    j, PFK_RULE_ADDR_GROUP, PFK_EXT_ADDRESS_SRC, "addr");
}

static void
judge_pair(struct pfk_judge *j)
{
	static const unsigned type[2] = { PFK_EXT_ADDRESS_SRC,
		PFK_EXT_ADDRESS_DST };
	uint16_t family[2];
	size_t len[2];

	for (size_t i = 0; i < 2; i++)
		if (!pfk_sa_head(
			j, pfk_tail_of(j, type[i]), &family[i], &len[i]))
			return;
	if (pfk_value(j, type[0], "proto") != pfk_value(j, type[1], "proto"))
		pfk_find(j, PFK_RULE_PAIR_PROTO, type[1], "proto");
	if (family[0] != family[1])
		find_sockaddr(j, PFK_RULE_PAIR_FAMILY, type[1], "family");
	else if (len[0] != len[1])
		find_sockaddr(j, PFK_RULE_PAIR_LEN, type[1], "sa_len");
	for (size_t i = 0; i < 2; i++) {
		if (pfk_family_len(j, family[i]) == 0) {
			find_sockaddr(
			    j, PFK_RULE_ADDR_FAMILY, type[i], "family");
			continue;
		}
		if (len[i] != pfk_family_len(j, family[i]))
			find_sockaddr(j, PFK_RULE_ADDR_LEN, type[i], "sa_len");
		if (pfk_value(j, type[i], "prefixlen") >
		    pfk_family_bits(j, family[i]))
			pfk_find(j, PFK_RULE_ADDR_PREFIX, type[i], "prefixlen");
	}
	judge_source(j);
}

/* --- the whole --------------------------------------------------------------------------- */

static void
begin(struct pfk_judge *j, const struct pfk_codec *c,
    const struct ipm_profile *pf, struct ipm_span msg, struct pfk_finding *out)
{
	memset(j, 0, sizeof *j);
	j->c = c;
	j->pf = pf;
	j->dialect = pfk_dialect_index(c->dialect);
	j->msg = msg;
	j->out = out;
}

/* What a message needs besides its row. */
static uint64_t
needed(const struct pfk_judge *j, const struct pfk_msg_row *row)
{
	if (j->m.type == PFK_DELETE && j->dialect == PFK_D_FREEBSD &&
	    as_linux(j, IPM_SW_PFK_DELETE_ALL))
		return row->need_in | PFK_BIT(PFK_EXT_SA);
	return row->need_in;
}

size_t
pfk_lint(const struct pfk_codec *c, const struct ipm_profile *pf,
    struct ipm_span msg, struct pfk_finding out[PFK_FINDINGS_MAX])
{
	const struct pfk_msg_row *row;
	struct pfk_judge j;

	begin(&j, c, pf, msg, out);
	if (!judge_header(&j))
		return j.n;
	row = pfk_msg_row(c->dialect, j.m.type);
	/* OpenBSD hands a wrapped message on as it is. */
	if (j.dialect == PFK_D_OPENBSD && j.m.type == PFK_X_PROMISC)
		j.cut = true;
	else
		walk(&j);
	judge_satype(&j);
	judge_pair(&j);
	if (row == NULL || (row->need_in & PFK_KERNEL_ONLY) != 0)
		find_header(&j, PFK_RULE_NO_HANDLER, H_TYPE);
	if (row != NULL && !j.cut && (row->need_in & PFK_KERNEL_ONLY) == 0)
		judge_needed(&j, needed(&j, row), PFK_RULE_EXT_MISSING);
	pfk_judge_values(&j);
	return j.n;
}

size_t
pfk_lint_out(const struct pfk_codec *c, struct ipm_span msg,
    struct pfk_finding out[PFK_FINDINGS_MAX])
{
	struct pfk_ext exts[PFK_EXTS_MAX];
	size_t n, where, off = PFK_HDR_LEN;
	const struct pfk_msg_row *row;
	enum pfk_fault fault;
	struct pfk_judge j;

	begin(&j, c, NULL, msg, out);
	fault = pfk_decode(c, msg, &j.m, exts, &n, &where);
	/* X_PROMISC wraps anything, and has a header of its own. */
	if (j.m.type == PFK_X_PROMISC && fault != PFK_SHORT_HEADER &&
	    fault != PFK_LEN_MISMATCH)
		return j.n;
	if (fault != PFK_FINE) {
		pfk_find_at(&j, PFK_RULE_OUT_FORM, where, NULL, NULL);
		return j.n;
	}
	row = pfk_msg_row(c->dialect, j.m.type);
	/* An answer with an errno is the request. */
	if (row == NULL || j.m.err != 0)
		return j.n;
	for (size_t i = 0; i < n; i++) {
		if (exts[i].row == NULL || exts[i].type >= 63) {
			pfk_find_at(
			    &j, PFK_RULE_OUT_EXTRA, off, "extension", NULL);
		} else {
			j.seen |= PFK_BIT(exts[i].type);
			j.off[exts[i].type] = off;
		}
		off += (size_t)exts[i].len * 8;
	}
	judge_needed(&j, row->need_out, PFK_RULE_OUT_MISSING);
	judge_unwanted(&j, row->need_out | row->may_out, PFK_RULE_OUT_EXTRA);
	return j.n;
}
