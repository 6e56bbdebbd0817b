/*
 * Each rule of the messages about SAs, with the errno of FreeBSD: of February
 * 2017, and of 13 where it differs.  Expected values are those of the kernel's
 * source as restated case by case, and of RFC 2367 where it agrees.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "support/pfk_box.h"

/* FreeBSD's errno values. */
enum {
	OK = 0,
	ENOENT = 2,
	ESRCH = 3,
	EEXIST = 17,
	EINVAL = 22,
	EOPNOTSUPP = 45,
	EAFNOSUPPORT = 47,
	ENOBUFS = 55
};

static struct pfk_box b;
static struct pfk_text m, r;

static int
ask(void)
{
	return pfk_ask(&b, &m, &r);
}

static void
begin(enum ipm_profile_id profile)
{
	pfk_box_init(&b, profile);
}

static void
end(void)
{
	pfk_box_free(&b);
}

static void
add_esp(uint32_t spi)
{
	pfk_esp(&m, spi);
	cr_assert_eq(ask(), OK);
}

/* --- algorithms and keys ------------------------------------------------------------- */

struct alg_case {
	const char *what;
	uint8_t satype, auth, enc;
	int auth_len, enc_len; /* octets; -1 no extension */
	uint32_t flags;
	int in_2017, in_13;
};

static const struct alg_case algs[] = {
	/* ESP: ciphers, with salts where they have one */
	{ "aes 16", 3, 0, 12, -1, 16, 0, OK, OK },
	{ "aes 24", 3, 0, 12, -1, 24, 0, OK, OK },
	{ "aes 32", 3, 0, 12, -1, 32, 0, OK, OK },
	{ "aes 20", 3, 0, 12, -1, 20, 0, EINVAL, EINVAL },
	{ "aes 15", 3, 0, 12, -1, 15, 0, EINVAL, EINVAL },
	{ "aes 40", 3, 0, 12, -1, 40, 0, EINVAL, EINVAL },
	{ "ctr 20", 3, 3, 13, 20, 20, 0, OK, OK },
	{ "ctr 28", 3, 0, 13, -1, 28, 0, OK, OK },
	{ "ctr 16", 3, 0, 13, -1, 16, 0, EINVAL, EINVAL },
	{ "ctr 3", 3, 0, 13, -1, 3, 0, EINVAL, EINVAL },
	{ "gcm 20", 3, 0, 20, -1, 20, 0, OK, OK },
	{ "gcm 36", 3, 0, 20, -1, 36, 0, OK, OK },
	{ "gcm 16", 3, 0, 20, -1, 16, 0, EINVAL, EINVAL },
	{ "gcm beside sha1", 3, 3, 20, 20, 20, 0, OK, EINVAL },
	{ "gcm8", 3, 0, 18, -1, 20, 0, EINVAL, EINVAL },
	{ "gmac 16", 3, 0, 23, -1, 16, 0, OK, EINVAL },
	{ "gmac 20", 3, 0, 23, -1, 20, 0, EINVAL, EINVAL },
	{ "des 8", 3, 0, 2, -1, 8, 0, OK, EINVAL },
	{ "des 7", 3, 0, 2, -1, 7, 0, EINVAL, EINVAL },
	{ "3des 24", 3, 2, 3, 16, 24, 0, OK, EINVAL },
	{ "cast 5", 3, 0, 6, -1, 5, 0, OK, EINVAL },
	{ "cast 17", 3, 0, 6, -1, 17, 0, EINVAL, EINVAL },
	{ "blowfish 56", 3, 0, 7, -1, 56, 0, OK, EINVAL },
	{ "blowfish 57", 3, 0, 7, -1, 57, 0, EINVAL, EINVAL },
	{ "camellia 16", 3, 0, 22, -1, 16, 0, OK, EINVAL },
	{ "camellia 8", 3, 0, 22, -1, 8, 0, EINVAL, EINVAL },
	/* [ALG-NULL-01] wants its extension, which may be empty */
	{ "null 0", 3, 0, 11, -1, 0, 0, OK, OK },
	{ "null 1", 3, 0, 11, -1, 1, 0, OK, OK },
	{ "null 256", 3, 0, 11, -1, 256, 0, OK, OK },
	{ "null 257", 3, 0, 11, -1, 257, 0, EINVAL, EINVAL },
	{ "null without extension", 3, 3, 11, 20, -1, 0, EINVAL, EINVAL },
	{ "aes with an empty key", 3, 0, 12, -1, 0, 0, EINVAL, EINVAL },
	/* [PFKEY-3.5-01] */
	{ "no cipher", 3, 3, 0, 20, 16, 0, EINVAL, EINVAL },
	{ "cipher 99", 3, 0, 99, -1, 16, 0, EINVAL, EINVAL },
	/* hashes: the exact length, or up to the block */
	{ "sha1 20", 2, 3, 0, 20, -1, 0, OK, OK },
	{ "sha1 19", 2, 3, 0, 19, -1, 0, EINVAL, OK },
	{ "sha1 64", 2, 3, 0, 64, -1, 0, EINVAL, OK },
	{ "sha1 65", 2, 3, 0, 65, -1, 0, EINVAL, EINVAL },
	{ "sha256 32", 2, 5, 0, 32, -1, 0, OK, OK },
	{ "sha384 48", 2, 6, 0, 48, -1, 0, OK, OK },
	{ "sha512 64", 2, 7, 0, 64, -1, 0, OK, OK },
	{ "sha512 128", 2, 7, 0, 128, -1, 0, EINVAL, OK },
	{ "sha512 129", 2, 7, 0, 129, -1, 0, EINVAL, EINVAL },
	{ "md5 16", 2, 2, 0, 16, -1, 0, OK, EINVAL },
	{ "ripemd 20", 2, 8, 0, 20, -1, 0, OK, EINVAL },
	{ "xcbc 16", 2, 9, 0, 16, -1, 0, EINVAL, EINVAL },
	{ "keyed md5 5", 2, 249, 0, 5, -1, 0, OK, EINVAL },
	{ "keyed sha1 77", 2, 250, 0, 77, -1, 0, OK, EINVAL },
	{ "gmac 128", 2, 11, 0, 16, -1, 0, OK, EOPNOTSUPP },
	{ "gmac 256", 2, 13, 0, 32, -1, 0, OK, EOPNOTSUPP },
	{ "gmac 256 salted", 2, 13, 0, 36, -1, 0, EINVAL, EINVAL },
	{ "gmac in esp", 3, 11, 12, 16, 16, 0, OK, EOPNOTSUPP },
	{ "null auth 0", 2, 251, 0, 0, -1, 0, OK, OK },
	{ "null auth 16", 2, 251, 0, 16, -1, 0, OK, OK },
	{ "null auth without key", 3, 251, 12, -1, 16, 0, EINVAL, EINVAL },
	{ "sha1 empty", 2, 3, 0, 0, -1, 0, EINVAL, EINVAL },
	/* [PFKEY-2.3.1-03] [PFKEY-2.3.1-04] */
	{ "ah without auth", 2, 0, 0, 20, -1, 0, EINVAL, EINVAL },
	{ "ah without key", 2, 3, 0, -1, -1, 0, EINVAL, EINVAL },
	{ "ah with cipher", 2, 3, 12, 20, -1, 0, EINVAL, EINVAL },
	{ "ah with cipher key", 2, 3, 0, 20, 16, 0, EINVAL, EINVAL },
	{ "ah tcp-md5", 2, 252, 0, 16, -1, 0, EINVAL, EINVAL },
	/* flags */
	{ "old esp", 3, 0, 12, -1, 16, 1, OK, OK },
	{ "old esp with auth", 3, 3, 12, 20, 16, 1, EINVAL, EINVAL },
	{ "old ah", 2, 3, 0, 20, -1, 1, EINVAL, EINVAL },
	{ "ah deriv", 2, 3, 0, 20, -1, 0x20, EINVAL, EINVAL },
	{ "esp deriv", 3, 0, 12, -1, 16, 0x20, OK, OK },
	{ "old esp deriv", 3, 0, 12, -1, 16, 0x21, EINVAL, EINVAL },
	{ "iv4b", 3, 0, 12, -1, 16, 0x10, EINVAL, EINVAL },
	{ "old iv4b", 3, 0, 12, -1, 16, 0x11, OK, OK },
	{ "all flags of the mask but those", 3, 0, 12, -1, 16, 0xfce, OK, OK },
	{ "beyond the mask", 3, 0, 12, -1, 16, 0x1000, EINVAL, EINVAL },
	/* IPcomp: algorithm in the cipher's place, CPI of 16 bits */
	{ "ipcomp", 9, 0, 2, -1, -1, 0, EINVAL, EINVAL },
	{ "ipcomp raw cpi", 9, 0, 2, -1, -1, 0x80, OK, OK },
	{ "ipcomp lzs", 9, 0, 3, -1, -1, 0x80, EINVAL, EINVAL },
	{ "ipcomp auth", 9, 3, 2, -1, -1, 0x80, EINVAL, EINVAL },
	{ "ipcomp key", 9, 0, 2, -1, 16, 0x80, EINVAL, EINVAL },
	{ "ipcomp empty key", 9, 0, 2, -1, 0, 0x80, OK, OK },
	{ "ipcomp auth key", 9, 0, 2, 16, -1, 0x80, EINVAL, EINVAL },
	/* TCP-MD5: 1 to 80 octets */
	{ "tcp 1", 11, 252, 0, 1, -1, 0, OK, EINVAL },
	{ "tcp 80", 11, 252, 0, 80, -1, 0, OK, EINVAL },
	{ "tcp 81", 11, 252, 0, 81, -1, 0, EINVAL, EINVAL },
	{ "tcp 0", 11, 252, 0, 0, -1, 0, EINVAL, EINVAL },
	{ "tcp sha1", 11, 3, 0, 20, -1, 0, EINVAL, EINVAL },
	{ "tcp cipher", 11, 252, 12, 16, -1, 0, EINVAL, EINVAL },
};

static void
put(const struct alg_case *a)
{
	pfk_head(&m, 3, a->satype, 0, 7);
	pfk_add_sa(&m, 0x12345, 4, a->auth, a->enc, a->flags);
	pfk_add_ends(&m, 1, 2);
	if (a->auth_len >= 0)
		pfk_add_key(&m, 8, (size_t)a->auth_len);
	if (a->enc_len >= 0)
		pfk_add_key(&m, 9, (size_t)a->enc_len);
}

/* [PFKEY-3.1.3-02] [PFKEY-2.3.4-01] [PFKEY-2.3.4-02] [PFKEY-2.3.4-04] */
Test(pfk_sadb, algorithms_and_keys)
{
	for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++)
		for (int newer = 0; newer < 2; newer++) {
			const struct alg_case *a = &algs[i];
			int want = newer ? a->in_13 : a->in_2017, got;
			uint64_t empty;

			begin(newer ? IPM_PF_FREEBSD_13 : IPM_PF_FREEBSD_2017);
			empty = pfk_box_sad(&b);
			put(a);
			got = ask();
			cr_expect_eq(got, want, "%s in %s: %d", a->what,
			    newer ? "13" : "2017", got);
			cr_expect_eq(pfk_box_sad(&b) == empty, want != OK, "%s",
			    a->what);
			end();
		}
}

/* Each switch on both sides, from one profile. */
Test(pfk_sadb, switches_of_algorithms)
{
	static const struct {
		const char *name, *value;
		struct alg_case a; /* in_2017: before, in_13: with the switch */
	} rows[] = {
		{ "pfkey-auth-key", "block",
		    { "sha1 64", 2, 3, 0, 64, -1, 0, EINVAL, OK } },
		{ "pfkey-gmac", "salted",
		    { "gmac 20", 2, 11, 0, 20, -1, 0, EINVAL, OK } },
		{ "pfkey-gmac", "salted",
		    { "gmac 20", 3, 0, 23, -1, 20, 0, EINVAL, OK } },
		{ "pfkey-gmac", "refuse",
		    { "gmac 16", 3, 0, 23, -1, 16, 0, OK, EINVAL } },
		{ "pfkey-gcm-auth", "refuse",
		    { "gcm sha1", 3, 3, 20, 20, 20, 0, OK, EINVAL } },
		{ "pfkey-old-headers", "accept",
		    { "ah-old", 2, 3, 0, 20, -1, 1, EINVAL, OK } },
		{ "pfkey-algs", "all",
		    { "xcbc", 2, 9, 0, 16, -1, 0, EINVAL, OK } },
		{ "pfkey-algs", "freebsd-13",
		    { "des", 3, 0, 2, -1, 8, 0, OK, EINVAL } },
		{ "tcp-md5", "off",
		    { "tcp", 11, 252, 0, 16, -1, 0, OK, EINVAL } },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int set = 0; set < 2; set++) {
			begin(IPM_PF_FREEBSD_2017);
			if (set)
				cr_assert(ipm_profile_set(
				    &b.pf, rows[i].name, rows[i].value));
			put(&rows[i].a);
			cr_expect_eq(ask(),
			    set ? rows[i].a.in_13 : rows[i].a.in_2017, "%s %s",
			    rows[i].name, rows[i].a.what);
			end();
		}
}

/* No crypto(4), or one that lacks the algorithm. */
Test(pfk_sadb, no_driver)
{
	for (int newer = 0; newer < 2; newer++) {
		begin(newer ? IPM_PF_FREEBSD_13 : IPM_PF_FREEBSD_2017);
		b.env.crypto = NULL;
		pfk_esp(&m, 0x1000);
		cr_expect_eq(ask(), newer ? EOPNOTSUPP : EINVAL);
		cr_expect_eq(pfk_state_of(&b, 0x1000), -1);
		end();
	}
}

/* crypto.c crypto_newsession: the mask asks for hardware, software or both, or
 * is a driver's number; what there is here is software, driver 0. */
Test(pfk_sadb, crypto_support)
{
	static const struct {
		int64_t mask;
		bool ok;
	} rows[] = { { 0x03000000, true }, { 0x02000000, true },
		{ 0x01000000, false }, { 0, true }, { 1, false },
		{ 0x01000001, false }, { 0x02000001, true }, { -1, true } };

	for (int newer = 0; newer < 2; newer++) {
		begin(newer ? IPM_PF_FREEBSD_13 : IPM_PF_FREEBSD_2017);
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			uint32_t spi = 0x1000 + (uint32_t)i;

			b.e.ipm.sysctls.v[IPM_SV_CRYPTO_SUPPORT] =
			    (int32_t)rows[i].mask;
			pfk_esp(&m, spi);
			cr_expect_eq(ask(),
			    rows[i].ok  ? OK
				: newer ? EOPNOTSUPP
					: EINVAL,
			    "%zu", i);
			cr_expect_eq(pfk_state_of(&b, spi) >= 0, rows[i].ok);
		}
		end();
	}
}

/* What the flags mean to the model; 0x400 by a switch. */
Test(pfk_sadb, flags)
{
	static const struct {
		uint32_t sadb, model;
	} rows[] = {
		{ 0, 0 },
		{ 0x40, IPM_SAF_CYCSEQ },
		{ 0x100, IPM_SAF_PAD_RANDOM },
		{ 0x200, IPM_SAF_PAD_ZERO },
		{ 0x300, IPM_SAF_PAD_RANDOM | IPM_SAF_PAD_ZERO },
		{ 0x80, IPM_SAF_RAWCPI },
		{ 0x400, 0 },
		{ 0x800, 0 },
	};

	for (int esn = 0; esn < 2; esn++) {
		begin(IPM_PF_FREEBSD_2017);
		if (esn)
			cr_assert(
			    ipm_profile_set(&b.pf, "pfkey-esn-flag", "on"));
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			const struct ipm_sa *sa;

			pfk_esp(&m, 0x1000 + (uint32_t)i);
			pfk_set(pfk_find_ext(&m, 1) + 12, 4, rows[i].sadb);
			cr_assert_eq(ask(), OK);
			sa = ipm_arena_at(&b.e.ipm.arena, b.e.ipm.sad.last);
			cr_expect_eq(sa->sadb_flags, rows[i].sadb);
			cr_expect_eq(sa->flags,
			    esn && rows[i].sadb == 0x400 ? IPM_SAF_ESN
							 : rows[i].model,
			    "%#x", rows[i].sadb);
		}
		end();
	}
}

/* AES-GCM shows the integrity of its key size. */
Test(pfk_sadb, gcm_shows_gmac)
{
	static const struct {
		size_t key;
		uint8_t auth;
	} rows[] = { { 20, 11 }, { 28, 12 }, { 36, 13 } };

	begin(IPM_PF_FREEBSD_2017);
	for (size_t i = 0; i < 3; i++) {
		pfk_head(&m, 3, 3, 0, 7);
		pfk_add_sa(&m, 0x1000 + (uint32_t)i, 4, 0, 20, 0);
		pfk_add_ends(&m, 1, 2);
		pfk_add_key(&m, 9, rows[i].key);
		cr_assert_eq(ask(), OK);
		pfk_name_sa(&m, 5, 0x1000 + (uint32_t)i);
		cr_assert_eq(ask(), OK);
		cr_expect_eq(r.p[16 + 10], rows[i].auth);
	}
	end();
}

/* sadb_key_bits is believed: the key goes on in what follows it. */
Test(pfk_sadb, key_bits_past_the_extension)
{
	const uint8_t *key;

	begin(IPM_PF_FREEBSD_13);
	pfk_head(&m, 3, 3, 0, 7);
	pfk_add_sa(&m, 0x1000, 4, 0, 12, 0);
	pfk_add_ends(&m, 1, 2);
	pfk_add_key(&m, 9, 16);
	pfk_set(pfk_find_ext(&m, 9) + 4, 2, 256);
	pfk_add_sa2(&m, 1, 5);
	cr_assert_eq(ask(), OK);
	pfk_name_sa(&m, 5, 0x1000);
	cr_assert_eq(ask(), OK);
	key = pfk_find_ext(&r, 9);
	cr_assert_not_null(key);
	cr_expect_eq(pfk_get_le(key + 4, 2), 256);
	cr_expect_eq(key[8 + 15], 16);
	/* the header of X_SA2: 2 units, type 19, mode 1 */
	cr_expect_eq(key[8 + 16], 2);
	cr_expect_eq(key[8 + 18], 19);
	cr_expect_eq(key[8 + 20], 1);
	end();
}

/* --- replay windows --------------------------------------------------------------------- */

Test(pfk_sadb, windows)
{
	static const struct {
		uint8_t replay;
		int64_t packets; /* X_SA_REPLAY, -1 none */
		uint8_t shown;
		int64_t shown_packets; /* -1: no X_SA_REPLAY */
		int errnum;
	} rows[] = {
		{ 0, -1, 0, -1, OK },
		{ 4, -1, 4, -1, OK },
		{ 255, -1, 255, -1, OK },
		{ 4, 0, 0, -1, OK },
		{ 4, 1, 1, -1, OK },
		{ 4, 33, 5, -1, OK },
		{ 4, 2040, 255, -1, OK },
		{ 4, 2041, 255, 2048, OK },
		{ 4, 65536, 255, 65536, OK },
		{ 4, 0xffffffe0, 0, -1, EINVAL },
	};

	begin(IPM_PF_FREEBSD_2017);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint32_t spi = 0x1000 + (uint32_t)i;
		const uint8_t *p;

		pfk_esp(&m, spi);
		pfk_find_ext(&m, 1)[8] = rows[i].replay;
		if (rows[i].packets >= 0)
			pfk_set(pfk_add_ext(&m, 26, 8) + 4, 4,
			    (uint64_t)rows[i].packets);
		cr_expect_eq(ask(), rows[i].errnum, "row %zu", i);
		if (rows[i].errnum != OK)
			continue;
		/* never in the reply */
		cr_expect_null(pfk_find_ext(&r, 26));
		pfk_name_sa(&m, 5, spi);
		cr_assert_eq(ask(), OK);
		cr_expect_eq(r.p[16 + 8], rows[i].shown, "row %zu", i);
		p = pfk_find_ext(&r, 26);
		cr_expect_eq(p != NULL, rows[i].shown_packets >= 0);
		if (p != NULL)
			cr_expect_eq(pfk_get_le(p + 4, 4),
			    (uint64_t)rows[i].shown_packets);
	}
	end();
}

/* Of what lies behind a message, an older one's octets or none, nothing gets
 * into a key that states more bits than the message has. */
Test(pfk_sadb, key_bits_past_the_message)
{
	const uint8_t *p;

	begin(IPM_PF_FREEBSD_2017);
	pfk_head(&m, 9, 0, 1, 1);
	memset(pfk_add_ext(&m, 12, 2000) + 4, 0xff, 1996);
	cr_assert_eq(ask(), OK);
	pfk_esp(&m, 0x1000);
	pfk_cut_ext(&m, 8);
	pfk_cut_ext(&m, 9);
	pfk_set(pfk_find_ext(&m, 1) + 10, 2, 11 << 8);
	pfk_add_key(&m, 9, 8);
	pfk_set(pfk_find_ext(&m, 9) + 4, 2, 24 * 8);
	cr_assert_eq(ask(), OK);
	pfk_name_sa(&m, 5, 0x1000);
	cr_assert_eq(ask(), OK);
	p = pfk_find_ext(&r, 9);
	cr_assert_eq(pfk_get_le(p, 2), 4);
	cr_expect_eq(p[8], 1);
	cr_expect_eq(p[15], 8);
	for (size_t i = 16; i < 32; i++)
		cr_expect_eq(p[i], 0, "octet %zu", i);
	end();
}

/* --- ADD ------------------------------------------------------------------------------------ */

/* [PFKEY-3.1.3-04] An SPI belongs to the whole host, larval SAs included; or
 * to a protocol and destination. */
Test(pfk_sadb, spi_is_taken)
{
	for (int dest = 0; dest < 2; dest++) {
		begin(IPM_PF_FREEBSD_2017);
		if (dest)
			cr_assert(ipm_profile_set(
			    &b.pf, "pfkey-spi-unique", "destination"));
		add_esp(0x1000);
		pfk_esp(&m, 0x1000);
		cr_expect_eq(ask(), EEXIST);
		/* to another host */
		pfk_cut_ext(&m, 6);
		pfk_add_addr(&m, 6, 4, 9);
		cr_expect_eq(ask(), dest ? OK : EEXIST);
		/* of another protocol */
		pfk_head(&m, 3, 9, 0, 7);
		pfk_add_sa(&m, 0x1000, 0, 0, 2, 0);
		pfk_add_ends(&m, 1, 2);
		cr_expect_eq(ask(), dest ? OK : EEXIST);
		/* a larval one */
		pfk_getspi(&m, 0x2000, 0x20ff);
		cr_assert_eq(ask(), OK);
		pfk_esp(&m, ipm_load32(r.p + 20));
		cr_expect_eq(ask(), EEXIST);
		end();
	}
}

Test(pfk_sadb, add_checks)
{
	static const uint32_t reserved[] = { 0, 1, 255 };

	begin(IPM_PF_FREEBSD_2017);
	for (size_t i = 0; i < 3; i++) {
		pfk_esp(&m, reserved[i]);
		cr_expect_eq(ask(), EINVAL);
	}
	pfk_esp(&m, 256);
	cr_expect_eq(ask(), OK);
	/* IPcomp has no reserved ones */
	pfk_head(&m, 3, 9, 0, 7);
	pfk_add_sa(&m, 3, 0, 0, 2, 0);
	pfk_add_ends(&m, 1, 2);
	cr_expect_eq(ask(), OK);
	pfk_esp(&m, 3);
	cr_expect_eq(ask(), EEXIST, "that it is taken is seen first");
	/* [PFKEY-2.3.2-01] one lifetime of two */
	for (unsigned type = 3; type <= 4; type++) {
		pfk_esp(&m, 0x3000);
		pfk_add_life(&m, type, 0, 10, 0);
		cr_expect_eq(ask(), EINVAL);
	}
	/* [PFKEY-2.3.3-02] */
	pfk_esp(&m, 0x3000);
	pfk_cut_ext(&m, 6);
	pfk_add_addr(&m, 6, 6, 2);
	cr_expect_eq(ask(), EINVAL);
	/* identities come in pairs of one type */
	pfk_esp(&m, 0x3000);
	pfk_add_ext(&m, 10, 16);
	cr_expect_eq(ask(), EINVAL);
	pfk_add_ext(&m, 11, 16)[4] = 2;
	cr_expect_eq(ask(), EINVAL);
	pfk_find_ext(&m, 10)[4] = 2;
	cr_expect_eq(ask(), OK);
	end();
}

/* What a reply has, in which order, and what it never has. */
Test(pfk_sadb, add_reply_order_and_no_keys)
{
	static const uint8_t want[] = { 1, 19, 5, 6, 3, 4, 10, 11, 20, 21, 22,
		23, 24, 27, 28 };
	size_t n = 0;

	begin(IPM_PF_FREEBSD_2017);
	pfk_head(&m, 3, 3, 77, 7);
	pfk_add_addr(&m, 28, 4, 9);
	pfk_add_addr(&m, 27, 4, 8);
	pfk_add_ext(&m, 25, 8);
	pfk_add_addr(&m, 24, 4, 7);
	pfk_add_addr(&m, 23, 4, 6);
	pfk_add_natt(&m, 2, 4500, 4501);
	pfk_add_ext(&m, 26, 8);
	pfk_add_ext(&m, 12, 16);
	pfk_add_ext(&m, 11, 16);
	pfk_add_ext(&m, 10, 16);
	pfk_add_key(&m, 9, 16);
	pfk_add_key(&m, 8, 20);
	pfk_add_addr(&m, 7, 4, 3);
	pfk_add_ends(&m, 1, 2);
	pfk_add_life(&m, 4, 1, 2, 3);
	pfk_add_life(&m, 3, 4, 5, 6);
	pfk_add_life(&m, 2, 4, 5, 6);
	pfk_add_sa2(&m, 1, 0);
	pfk_add_sa(&m, 0x1000, 4, 3, 12, 0);
	cr_assert_eq(ask(), OK);
	for (size_t off = 16; off < r.len;
	     off += (size_t)pfk_get_le(r.p + off, 2) * 8, n++) {
		cr_assert_lt(n, sizeof want);
		cr_expect_eq(r.p[off + 2], want[n], "%zu: %u", n, r.p[off + 2]);
	}
	/* [PFKEY-3.1.3-05] */
	cr_expect_eq(n, sizeof want);
	cr_expect_eq(pfk_get_le(r.p + 8, 4), 77);
	end();
}

/* ADD with reqid 0 joins a head of any reqid, and any ADD a head of mode ANY;
 * the SA shows the head's. */
Test(pfk_sadb, add_joins_heads)
{
	static const struct {
		unsigned mode;
		uint32_t reqid;
		unsigned shown_mode;
		uint32_t shown_reqid;
	} rows[] = {
		{ 1, 5, 1, 5 }, /* the first: a head of its own */
		{ 1, 0, 1, 5 }, /* joins it */
		{ 1, 6, 1, 6 }, /* another reqid */
		{ 2, 0, 2, 0 }, /* another mode */
		{ 0, 7, 0, 7 }, /* ANY */
		{ 2, 7, 0, 7 }, /* joins ANY */
		{ 2, 8, 2, 8 }, { 2, 0, 2, 8 }, /* the newest that matches */
	};

	begin(IPM_PF_FREEBSD_2017);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint32_t spi = 0x1000 + (uint32_t)i;
		const uint8_t *p;

		pfk_esp(&m, spi);
		pfk_cut_ext(&m, 19);
		pfk_add_sa2(&m, rows[i].mode, rows[i].reqid);
		cr_assert_eq(ask(), OK);
		pfk_name_sa(&m, 5, spi);
		cr_assert_eq(ask(), OK);
		p = pfk_find_ext(&r, 19);
		cr_expect_eq(p[4], rows[i].shown_mode, "row %zu", i);
		cr_expect_eq(
		    pfk_get_le(p + 12, 4), rows[i].shown_reqid, "row %zu", i);
	}
	end();
}

/* --- GETSPI ----------------------------------------------------------------------------------- */

/* [PFKEY-3.1.1-01] [PFKEY-3.1.1-04] */
Test(pfk_sadb, getspi_draws)
{
	static const uint32_t draws[] = { 7, 7, 8, 0x104, 5 };

	begin(IPM_PF_FREEBSD_2017);
	pfk_box_draws(&b, draws, 5);
	pfk_getspi(&m, 0x1000, 0x10ff);
	pfk_set(m.p + 8, 4, 9);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x1007);
	cr_expect_eq(r.len, 80);
	/* what the kernel leaves there of its memory is zero here */
	for (size_t i = 24; i < 32; i++)
		cr_expect_eq(r.p[i], 0);
	cr_expect_eq(pfk_get_le(r.p + 8, 4), 9);
	cr_expect_eq(pfk_state_of(&b, 0x1007), 0);
	/* 7 is taken, 8 is not */
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x1008);
	/* modulo the range */
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x1004);
	/* max below min goes round */
	pfk_getspi(&m, 0x2000, 0x1000);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x2005);
	/* the tape is over */
	cr_expect_eq(ask(), ENOBUFS);
	end();
}

/* [PFKEY-3.1.1-02] and its inverted test. */
Test(pfk_sadb, getspi_of_one)
{
	for (int right = 0; right < 2; right++) {
		begin(IPM_PF_FREEBSD_2017);
		if (right)
			cr_assert(ipm_profile_set(
			    &b.pf, "pfkey-getspi-fixed", "free"));
		pfk_getspi(&m, 0x1000, 0x1000);
		cr_expect_eq(ask(), right ? OK : EEXIST);
		pfk_esp(&m, 0x1000);
		cr_expect_eq(ask(), right ? EEXIST : OK);
		pfk_getspi(&m, 0x1000, 0x1000);
		cr_expect_eq(ask(), right ? EEXIST : OK);
		pfk_getspi(&m, 0, 0);
		cr_expect_eq(ask(), EEXIST);
		end();
	}
}

/* [PFKEY-3.1.1-03] and the two ends of counting down. */
Test(pfk_sadb, getspi_tries)
{
	static const struct {
		int32_t tries;
		uint32_t draws[4];
		size_t n;
		bool taken0;      /* is SPI 0x1000 taken? */
		int right, quirk; /* errno */
	} rows[] = {
		{ 1, { 0 }, 1, false, OK, EEXIST },
		{ 1, { 0 }, 1, true, EEXIST, OK },
		{ 2, { 0, 1 }, 2, true, OK, EEXIST },
		{ 2, { 0, 0 }, 2, true, EEXIST, OK },
		{ 3, { 0, 1, 0 }, 3, true, OK, OK },
		{ 0, { 0 }, 1, false, EEXIST, EEXIST },
		{ -1, { 0, 0, 0, 1 }, 4, true, OK, OK },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int right = 0; right < 2; right++) {
			begin(IPM_PF_FREEBSD_2017);
			if (right)
				cr_assert(ipm_profile_set(
				    &b.pf, "pfkey-getspi-tries", "right"));
			b.e.ipm.sysctls.v[IPM_SV_SPI_TRYCNT] = rows[i].tries;
			if (rows[i].taken0)
				add_esp(0x1000);
			pfk_box_draws(&b, rows[i].draws, rows[i].n);
			pfk_getspi(&m, 0x1000, 0x1001);
			cr_expect_eq(ask(),
			    right ? rows[i].right : rows[i].quirk,
			    "row %zu, %s", i, right ? "right" : "quirk");
			end();
		}
}

Test(pfk_sadb, getspi_ranges)
{
	static const uint32_t draws[] = { 0, 0xfe00, 3, 3 };

	begin(IPM_PF_FREEBSD_2017);
	pfk_box_draws(&b, draws, 4);
	/* without a range: the sysctls', for IPcomp cut to 16 bits */
	pfk_getspi(&m, 0, 0);
	pfk_cut_ext(&m, 16);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x100);
	m.p[3] = 9;
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0xff00);
	/* IPcomp swaps its ends */
	pfk_getspi(&m, 0x2000, 0x1000);
	m.p[3] = 9;
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x1003);
	/* reserved ones are drawn and then refused */
	pfk_getspi(&m, 1, 200);
	cr_expect_eq(ask(), EINVAL);
	/* [PFKEY-2.3.9-01] all 2^32 of them */
	pfk_box_draws(&b, (const uint32_t[]){ 0xdeadbeef }, 1);
	pfk_getspi(&m, 0, 0xffffffff);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0xdeadbeef);
	end();
}

/* What does not fit into 16 bits is 0xffff for IPcomp, each end for itself. */
Test(pfk_sadb, getspi_of_ipcomp_beyond_16_bits)
{
	static const uint32_t ends[][2] = {
		{ 0x10000, 0x10000 },
		{ 0xffff, 0x10000 },
		{ 0x10000, 0xffff },
		{ 0xffffffff, 0x12345 },
	};
	static const uint32_t draw = 1;

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		begin(IPM_PF_FREEBSD_2017);
		cr_assert(ipm_profile_set(&b.pf, "pfkey-getspi-fixed", "free"));
		pfk_box_draws(&b, &draw, 1);
		pfk_getspi(&m, ends[i][0], ends[i][1]);
		m.p[3] = 9;
		cr_assert_eq(ask(), OK, "row %zu", i);
		cr_expect_eq(ipm_load32(r.p + 20), 0xffff, "row %zu", i);
		end();
	}
}

/* --- UPDATE -------------------------------------------------------------------------------------- */

static uint32_t
larval(void)
{
	pfk_getspi(&m, 0x5000, 0x50ff);
	cr_assert_eq(ask(), OK);
	return ipm_load32(r.p + 20);
}

/* [PFKEY-3.1.2-01] [PFKEY-3.1.2-05] [PFKEY-3.1.2-08] [PFKEY-3.3-01] */
Test(pfk_sadb, update_of_a_larval_sa)
{
	uint32_t spi;

	begin(IPM_PF_FREEBSD_2017);
	spi = larval();
	pfk_update(&m, spi + 1);
	cr_expect_eq(ask(), EINVAL, "unknown SPI");
	pfk_update(&m, spi);
	pfk_set(m.p + 12, 4, 8);
	cr_expect_eq(ask(), EINVAL, "another process");
	pfk_update(&m, spi);
	pfk_find_ext(&m, 19)[4] = 2;
	cr_expect_eq(ask(), ESRCH, "another mode");
	pfk_set(m.p + 12, 4, 8);
	cr_expect_eq(ask(), EINVAL, "the process is looked at first");
	pfk_update(&m, spi);
	pfk_cut_ext(&m, 19);
	cr_expect_eq(ask(), ESRCH, "without X_SA2");
	pfk_update(&m, spi);
	pfk_set(pfk_find_ext(&m, 19) + 12, 4, 3);
	cr_expect_eq(ask(), ESRCH, "another reqid");
	pfk_update(&m, spi);
	pfk_cut_ext(&m, 5);
	pfk_add_addr(&m, 5, 4, 3);
	cr_expect_eq(ask(), ESRCH, "another source");
	pfk_update(&m, spi);
	pfk_cut_ext(&m, 9);
	cr_expect_eq(ask(), EINVAL, "without key");
	cr_expect_eq(pfk_state_of(&b, spi), 0);
	pfk_box_wait(&b, 5);
	pfk_update(&m, spi);
	cr_expect_eq(ask(), OK);
	cr_expect_null(pfk_find_ext(&r, 8));
	cr_expect_null(pfk_find_ext(&r, 9));
	cr_expect_eq(pfk_state_of(&b, spi), 1);
	pfk_name_sa(&m, 5, spi);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(pfk_get_le(pfk_find_ext(&r, 2) + 16, 8), 1005);
	end();
}

/* [PFKEY-3.1.2-03] A bad key: the SA stays larval; what the kernel had set by
 * then shows, or not. */
Test(pfk_sadb, update_refused_leaves_traces)
{
	for (int clean = 0; clean < 2; clean++) {
		uint64_t before;
		uint32_t spi;

		begin(IPM_PF_FREEBSD_2017);
		if (clean)
			cr_assert(ipm_profile_set(
			    &b.pf, "pfkey-failed-update", "clean"));
		spi = larval();
		before = pfk_box_sad(&b);
		pfk_update(&m, spi);
		pfk_set(pfk_find_ext(&m, 9) + 4, 2, 120);
		cr_expect_eq(ask(), EINVAL);
		cr_expect_eq(pfk_box_sad(&b) == before, clean);
		pfk_name_sa(&m, 5, spi);
		cr_assert_eq(ask(), OK);
		cr_expect_eq(r.p[16 + 9], 0);
		cr_expect_eq(r.p[16 + 10], clean ? 0 : 3);
		cr_expect_eq(r.p[16 + 11], clean ? 0 : 12);
		cr_expect_null(pfk_find_ext(&r, 9));
		pfk_update(&m, spi);
		cr_expect_eq(ask(), OK);
		end();
	}
}

/* Flags that cannot be are among what the kernel has set by then. */
Test(pfk_sadb, update_refused_for_its_flags)
{
	uint32_t spi;

	begin(IPM_PF_FREEBSD_2017);
	spi = larval();
	pfk_update(&m, spi);
	pfk_set(pfk_find_ext(&m, 1) + 12, 4, 0x1040);
	cr_expect_eq(ask(), EINVAL);
	pfk_name_sa(&m, 5, spi);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(r.p[16 + 9], 0);
	cr_expect_eq(r.p[16 + 10], 3);
	cr_expect_eq(r.p[16 + 11], 12);
	cr_expect_eq(pfk_get_le(r.p + 16 + 12, 4), 0x40);
	end();
}

static void
update_plain(uint32_t spi)
{
	pfk_update(&m, spi);
	pfk_cut_ext(&m, 8);
	pfk_cut_ext(&m, 9);
}

static bool
has_life(uint32_t spi, unsigned type)
{
	pfk_name_sa(&m, 5, spi);
	cr_assert_eq(ask(), OK);
	return pfk_find_ext(&r, type) != NULL;
}

/* [PFKEY-3.1.2-07] Lifetimes alone; none given removes them. */
Test(pfk_sadb, update_of_a_mature_sa)
{
	begin(IPM_PF_FREEBSD_2017);
	add_esp(0x1000);
	pfk_update(&m, 0x1000);
	cr_expect_eq(ask(), EINVAL, "with keys");
	update_plain(0x1000);
	pfk_add_life(&m, 3, 0, 100, 0);
	cr_expect_eq(ask(), EINVAL, "one lifetime");
	pfk_add_life(&m, 4, 0, 80, 0);
	cr_expect_eq(ask(), OK);
	cr_expect(has_life(0x1000, 3) && has_life(0x1000, 4));
	update_plain(0x1000);
	cr_expect_eq(ask(), OK);
	cr_expect(!has_life(0x1000, 3));
	/* algorithms and flags of the request do nothing */
	update_plain(0x1000);
	pfk_find_ext(&m, 1)[11] = 99;
	cr_expect_eq(ask(), OK);
	end();
}

static uint8_t
last_octet(unsigned type)
{
	return pfk_find_ext(&r, type)[15];
}

/* New ends: the same SA under another head, nothing else changed. */
Test(pfk_sadb, update_to_other_addresses)
{
	uint64_t created;

	begin(IPM_PF_FREEBSD_2017);
	add_esp(0x1000);
	pfk_box_wait(&b, 3);
	update_plain(0x1000);
	pfk_add_addr(&m, 28, 6, 9);
	cr_expect_eq(ask(), EINVAL, "families differ");
	update_plain(0x1000);
	pfk_add_addr(&m, 28, 4, 9);
	cr_expect_eq(ask(), OK);
	pfk_name_sa(&m, 5, 0x1000);
	cr_expect_eq(ask(), ESRCH, "the old ends");
	pfk_cut_ext(&m, 6);
	pfk_add_addr(&m, 6, 4, 9);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(last_octet(6), 9);
	cr_expect_eq(last_octet(5), 1);
	created = pfk_get_le(pfk_find_ext(&r, 2) + 16, 8);
	cr_expect_eq(created, 1000);
	cr_expect_not_null(pfk_find_ext(&r, 9));
	end();
}

/* NAT-T: all three extensions or none count; an SA that has it must be given
 * it again. */
Test(pfk_sadb, nat_traversal)
{
	begin(IPM_PF_FREEBSD_2017);
	for (unsigned type = 0; type < 4; type++) {
		pfk_esp(&m, 0x1000 + type);
		pfk_add_natt(&m, type, 4500, 4501);
		cr_expect_eq(ask(), type == 2 ? OK : EINVAL, "type %u", type);
	}
	pfk_esp(&m, 0x1010);
	pfk_add_natt(&m, 2, 0, 4500);
	cr_expect_eq(ask(), EINVAL, "port 0");
	pfk_esp(&m, 0x1010);
	pfk_add_natt(&m, 2, 4500, 0);
	cr_expect_eq(ask(), EINVAL, "port 0 of the destination");
	pfk_esp(&m, 0x1010);
	pfk_add_natt(&m, 7, 0, 0);
	pfk_cut_ext(&m, 22);
	cr_expect_eq(ask(), OK, "two of three are nothing");
	/* original addresses */
	pfk_esp(&m, 0x1011);
	pfk_add_natt(&m, 2, 4500, 4500);
	pfk_add_addr(&m, 23, 6, 7);
	cr_expect_eq(ask(), EINVAL, "IPv6 original");
	pfk_find_ext(&m, 19)[4] = 0;
	cr_expect_eq(ask(), EINVAL, "nor of any mode");
	pfk_find_ext(&m, 19)[4] = 2;
	cr_expect_eq(ask(), OK, "in a tunnel it is not looked at");
	pfk_esp(&m, 0x1012);
	pfk_add_natt(&m, 2, 4500, 4600);
	pfk_add_addr(&m, 23, 4, 1); /* the SA's own */
	pfk_add_addr(&m, 24, 4, 7);
	cr_expect_eq(ask(), OK);
	pfk_name_sa(&m, 5, 0x1012);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(pfk_find_ext(&r, 20)[4], 2);
	cr_expect_eq(ipm_load16(pfk_find_ext(&r, 21) + 4), 4500);
	cr_expect_eq(ipm_load16(pfk_find_ext(&r, 22) + 4), 4600);
	cr_expect_null(pfk_find_ext(&r, 23));
	cr_expect_eq(last_octet(24), 7);
	/* a plain UPDATE of it, one with two extensions of three */
	update_plain(0x1012);
	cr_expect_eq(ask(), EINVAL);
	for (unsigned type = 20; type <= 22; type++) {
		update_plain(0x1012);
		pfk_add_natt(&m, 2, 4700, 4800);
		pfk_cut_ext(&m, type);
		cr_expect_eq(ask(), EINVAL, "without %u", type);
	}
	update_plain(0x1012);
	pfk_add_natt(&m, 2, 4700, 4800);
	cr_expect_eq(ask(), OK);
	pfk_name_sa(&m, 5, 0x1012);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load16(pfk_find_ext(&r, 21) + 4), 4700);
	cr_expect_null(pfk_find_ext(&r, 24));
	end();
}

/* Whether original addresses are looked at is decided by the mode of the head,
 * which of mode any takes every SA: not by the request's. */
Test(pfk_sadb, original_addresses_in_a_head_of_any_mode)
{
	begin(IPM_PF_FREEBSD_2017);
	pfk_esp(&m, 0x1000);
	pfk_add_natt(&m, 2, 4500, 4500);
	pfk_find_ext(&m, 19)[4] = 0;
	cr_assert_eq(ask(), OK);
	pfk_esp(&m, 0x1001);
	pfk_add_natt(&m, 2, 4500, 4500);
	pfk_add_addr(&m, 23, 6, 7);
	pfk_find_ext(&m, 19)[4] = 2;
	cr_expect_eq(ask(), EINVAL, "ADD");
	update_plain(0x1000);
	pfk_add_natt(&m, 2, 4500, 4501);
	pfk_add_addr(&m, 23, 6, 7);
	pfk_find_ext(&m, 19)[4] = 2;
	cr_expect_eq(ask(), EINVAL, "UPDATE");
	pfk_cut_ext(&m, 23);
	cr_expect_eq(ask(), OK);
	end();
}

/* What a change of addresses adds to a checksum: computed here from two
 * pseudo headers. */
Test(pfk_sadb, nat_checksum_delta)
{
	const struct ipm_sa *sa;
	const struct ipm_sa_natt *n;
	uint32_t was, now;

	begin(IPM_PF_FREEBSD_2017);
	pfk_esp(&m, 0x1000);
	pfk_add_natt(&m, 2, 4500, 4500);
	pfk_add_addr(&m, 23, 4, 77);
	pfk_add_addr(&m, 24, 4, 88);
	cr_assert_eq(ask(), OK);
	sa = ipm_arena_at(&b.e.ipm.arena, b.e.ipm.sad.first);
	n = ipm_arena_at(&b.e.ipm.arena, sa->natt);
	was = 0xc000U + 0x0201 + 0xc000 + 0x0202;
	now = 0xc000U + 0x024d + 0xc000 + 0x0258;
	was = (was & 0xffff) + (was >> 16);
	now = (now & 0xffff) + (now >> 16);
	cr_expect_eq((was + n->delta - 1) % 0xffff + 1, now);
	end();
}

/* --- DELETE, GET, FLUSH, DUMP --------------------------------------------------------------------- */

/* [PFKEY-3.1.4-01] [PFKEY-3.1.4-02] [PFKEY-3.1.5-02] */
Test(pfk_sadb, delete_and_get)
{
	static const unsigned types[] = { 5, 4 };

	begin(IPM_PF_FREEBSD_2017);
	add_esp(0x1000);
	for (size_t i = 0; i < 2; i++) {
		pfk_name_sa(&m, types[i], 0x1001);
		cr_expect_eq(ask(), ESRCH, "SPI");
		pfk_name_sa(&m, types[i], 0x1000);
		m.p[3] = 2;
		cr_expect_eq(ask(), ESRCH, "protocol");
		m.p[3] = 0;
		cr_expect_eq(ask(), EINVAL, "satype 0");
		pfk_name_sa(&m, types[i], 0x1000);
		pfk_cut_ext(&m, 5);
		cr_expect_eq(ask(), EINVAL, "no source");
		pfk_add_addr(&m, 5, 4, 9);
		cr_expect_eq(ask(), ESRCH, "source");
		pfk_name_sa(&m, types[i], 0x1000);
		pfk_find_ext(&m, 5)[11] = 9; /* ports do not count */
		cr_expect_eq(ask(), OK);
	}
	cr_expect_eq(pfk_state_of(&b, 0x1000), -1);
	end();
}

/* Without SA: all alive ones between two addresses, of any mode and reqid. */
Test(pfk_sadb, delete_all)
{
	uint32_t spi;

	begin(IPM_PF_FREEBSD_2017);
	spi = larval();
	add_esp(0x1000);
	pfk_esp(&m, 0x1001);
	pfk_find_ext(&m, 19)[4] = 2;
	cr_assert_eq(ask(), OK);
	pfk_esp(&m, 0x1002);
	pfk_cut_ext(&m, 6);
	pfk_add_addr(&m, 6, 4, 9);
	cr_assert_eq(ask(), OK);
	pfk_name_sa(&m, 4, 0);
	pfk_cut_ext(&m, 1);
	cr_expect_eq(ask(), OK);
	cr_expect_eq(r.len, 16 + 48);
	cr_expect_eq(pfk_state_of(&b, 0x1000), -1);
	cr_expect_eq(pfk_state_of(&b, 0x1001), -1);
	cr_expect_eq(pfk_state_of(&b, spi), 0);
	cr_expect_eq(b.e.ipm.sad.count, 2);
	pfk_name_sa(&m, 4, 0);
	pfk_cut_ext(&m, 1);
	cr_expect_eq(ask(), OK, "none matches");
	end();
}

/* [PFKEY-3.1.9-01] [PFKEY-3.1.9-02] */
Test(pfk_sadb, flush_by_type)
{
	static const uint8_t satypes[] = { 3, 2, 9, 0 };

	for (size_t i = 0; i < 4; i++) {
		begin(IPM_PF_FREEBSD_2017);
		(void)larval();
		add_esp(0x1000);
		pfk_head(&m, 3, 2, 0, 7);
		pfk_add_sa(&m, 0x1001, 4, 3, 0, 0);
		pfk_add_ends(&m, 1, 2);
		pfk_add_key(&m, 8, 20);
		cr_assert_eq(ask(), OK);
		pfk_head(&m, 9, satypes[i], 3, 4);
		pfk_add_ext(&m, 12, 16); /* dropped */
		cr_expect_eq(ask(), OK);
		cr_expect_eq(r.len, 16);
		cr_expect_eq(b.e.ipm.sad.count,
		    satypes[i] == 3       ? 1U
			: satypes[i] == 2 ? 2U
			: satypes[i] == 9 ? 3U
					  : 0U);
		end();
	}
}

/* [PFKEY-3.1.10-01] [PFKEY-3.1.10-02] [PFKEY-3.1.10-03] Heads newest first, in
 * each larval SAs and then alive ones, newest first; numbers down to 0. */
Test(pfk_sadb, dump_order)
{
	static const uint32_t want[] = { 0x3000, 0x5001, 0x5000, 0x1001,
		0x1000 };
	size_t n = 0;

	begin(IPM_PF_FREEBSD_2017);
	pfk_head(&m, 10, 0, 3, 4);
	cr_expect_eq(ask(), ENOENT);
	add_esp(0x1000);
	(void)larval();
	add_esp(0x1001);
	(void)larval();
	pfk_esp(&m, 0x3000);
	pfk_find_ext(&m, 19)[4] = 2;
	cr_assert_eq(ask(), OK);
	(void)pfk_drain(&b, b.other);
	pfk_head(&m, 10, 3, 99, 4);
	cr_assert_eq(
	    pfk_send(&b.e, &b.pf, &b.env, b.sock, ipm_span(m.p, m.len)), 0);
	for (; pfk_next(&b, b.sock, &r); n++) {
		cr_assert_lt(n, 5);
		cr_expect_eq(ipm_load32(r.p + 20), want[n], "%zu", n);
		cr_expect_eq(pfk_get_le(r.p + 8, 4), 4 - n);
		cr_expect_eq(pfk_get_le(r.p + 12, 4), 4);
		cr_expect_eq(pfk_get_le(r.p + 6, 2), 1);
	}
	cr_expect_eq(n, 5);
	cr_expect_eq(pfk_drain(&b, b.other), 0);
	pfk_head(&m, 10, 9, 3, 4);
	cr_expect_eq(ask(), ENOENT, "no IPcomp SA");
	end();
}

/* TCP-MD5: told apart by addresses; its SPI is a handle. */
Test(pfk_sadb, tcp_md5)
{
	static const uint32_t draw = 0x55;

	begin(IPM_PF_FREEBSD_2017);
	add_esp(0x1000);
	pfk_box_draws(&b, &draw, 1);
	pfk_head(&m, 3, 11, 0, 7);
	pfk_add_sa(&m, 0x1000, 0, 252, 0, 0);
	pfk_add_ends(&m, 1, 2);
	pfk_add_key(&m, 8, 16);
	pfk_add_range(&m, 0x9000, 0x9fff);
	cr_expect_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x1000, "as it was asked for");
	cr_expect_eq(ask(), EEXIST);
	pfk_name_sa(&m, 5, 0x9999);
	m.p[3] = 11;
	cr_assert_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x155, "the sysctls' range");
	m.p[1] = 4;
	cr_expect_eq(ask(), OK);
	cr_expect_eq(ask(), ESRCH);
	end();
}

static void
tcp(uint8_t type, uint32_t spi, unsigned mode, uint32_t reqid)
{
	pfk_head(&m, type, 11, 0, 7);
	if (type != 1)
		pfk_add_sa(&m, spi, 0, 252, 0, 0);
	pfk_add_sa2(&m, mode, reqid);
	pfk_add_ends(&m, 1, 2);
	if (type == 3)
		pfk_add_key(&m, 8, 16);
}

/* The newest head of two ends is the only one that the kernel looks at
 * (key_getsav_tcpmd5), be there SAs in it or not; an SPI of 0 is to it one that
 * could not be drawn. */
Test(pfk_sadb, tcp_md5_of_several_heads)
{
	static const uint32_t draw = 0x77;

	begin(IPM_PF_FREEBSD_2017);
	tcp(3, 0, 1, 1);
	cr_expect_eq(ask(), EEXIST, "SPI 0");
	tcp(3, 0x1000, 1, 1);
	cr_expect_eq(ask(), OK);
	tcp(3, 0x1001, 2, 2);
	cr_expect_eq(ask(), EEXIST);
	pfk_box_draws(&b, &draw, 1);
	tcp(1, 0, 2, 2);
	cr_expect_eq(ask(), OK);
	tcp(5, 0x1000, 1, 1);
	cr_expect_eq(ask(), ESRCH);
	tcp(4, 0x1000, 1, 1);
	cr_expect_eq(ask(), ESRCH);
	tcp(3, 0x1001, 2, 2);
	cr_expect_eq(ask(), OK);
	tcp(5, 0x1000, 1, 1);
	cr_expect_eq(ask(), OK);
	cr_expect_eq(ipm_load32(r.p + 20), 0x1001);
	end();
}

/* --- REGISTER, ACQUIRE ----------------------------------------------------------------------------- */

struct listed {
	uint8_t id, ivlen;
	uint16_t min, max;
};

static void
expect_listed(unsigned type, const struct listed *want, size_t n)
{
	const uint8_t *p = pfk_find_ext(&r, type);

	cr_assert_not_null(p);
	cr_assert_eq(pfk_get_le(p, 2), 1 + n);
	for (size_t i = 0; i < n; i++) {
		p += 8;
		cr_expect_eq(p[0], want[i].id, "%zu", i);
		cr_expect_eq(p[1], want[i].ivlen, "%u", want[i].id);
		cr_expect_eq(
		    pfk_get_le(p + 2, 2), want[i].min, "%u", want[i].id);
		cr_expect_eq(
		    pfk_get_le(p + 4, 2), want[i].max, "%u", want[i].id);
		cr_expect_eq(pfk_get_le(p + 6, 2), 0);
	}
}

/* [PFKEY-3.1.7-02] [PFKEY-3.1.7-03] [PFKEY-2.3.8-01] */
Test(pfk_sadb, register_lists_algorithms_of_2017)
{
	static const struct listed auth[] = { { 2, 0, 128, 128 },
		{ 3, 0, 160, 160 }, { 5, 0, 256, 256 }, { 6, 0, 384, 384 },
		{ 7, 0, 512, 512 }, { 8, 0, 160, 160 }, { 11, 0, 128, 128 },
		{ 12, 0, 192, 192 }, { 13, 0, 256, 256 }, { 249, 0, 128, 128 },
		{ 250, 0, 160, 160 }, { 251, 0, 8, 2048 } };
	static const struct listed enc[] = { { 2, 8, 64, 64 },
		{ 3, 8, 192, 192 }, { 6, 8, 40, 128 }, { 7, 8, 40, 448 },
		{ 11, 0, 0, 2048 }, { 12, 16, 128, 256 }, { 13, 16, 128, 256 },
		{ 20, 12, 128, 256 }, { 22, 16, 64, 256 },
		{ 23, 12, 128, 256 } };

	begin(IPM_PF_FREEBSD_2017);
	pfk_head(&m, 7, 3, 1, 7);
	cr_assert_eq(ask(), OK);
	cr_expect_eq(r.len, 208);
	expect_listed(14, auth, 12);
	expect_listed(15, enc, 10);
	cr_expect_eq(ask(), EEXIST);
	m.p[3] = 2;
	cr_expect_eq(ask(), OK);
	/* satype 0 asks and does not register */
	m.p[3] = 0;
	cr_expect_eq(ask(), OK);
	cr_expect_eq(ask(), OK);
	end();
}

static size_t
proposal(const uint8_t **first)
{
	uint8_t *p = pfk_find_ext(&r, 13);

	if (p == NULL)
		return 0;
	*first = p + 8;
	cr_expect_eq(p[4], 32);
	return ((size_t)pfk_get_le(p, 2) * 8 - 8) / 72;
}

static void
ask_acquire(uint8_t satype, uint8_t dst)
{
	pfk_head(&m, 6, satype, 0, 7);
	pfk_add_ends(&m, 1, dst);
	pfk_add_ext(&m, 13, 8);
}

/* [PFKEY-3.1.6-03] [PFKEY-2.3.7-02] [PFKEY-2.3.7-03] */
Test(pfk_sadb, acquire_of_a_user)
{
	static const uint16_t esp[][3] = { { 7, 256, 448 }, { 11, 256, 2048 },
		{ 12, 256, 256 }, { 13, 256, 256 }, { 20, 256, 256 },
		{ 22, 256, 256 }, { 23, 256, 256 } };
	static const uint16_t ah[][2] = { { 7, 512 }, { 6, 384 }, { 5, 256 },
		{ 3, 160 }, { 2, 128 } };
	const uint8_t *p;

	begin(IPM_PF_FREEBSD_2017);
	ask_acquire(3, 2);
	cr_expect_eq(ask(), PFK_SILENCE, "nobody registered");
	pfk_head(&m, 7, 3, 1, 7);
	cr_assert_eq(ask(), OK);
	ask_acquire(3, 3);
	cr_assert_eq(ask(), OK);
	/* [PFKEY-1.6-03] of the kernel itself, the second number */
	cr_expect_eq(pfk_get_le(r.p + 8, 4), 2);
	cr_expect_eq(pfk_get_le(r.p + 12, 4), 0);
	cr_expect_null(pfk_find_ext(&r, 19));
	cr_assert_eq(proposal(&p), 7);
	for (size_t i = 0; i < 7; i++, p += 72) {
		cr_expect_eq(p[0], 0);
		cr_expect_eq(p[1], esp[i][0]);
		cr_expect_eq(pfk_get_le(p + 8, 2), esp[i][1]);
		cr_expect_eq(pfk_get_le(p + 10, 2), esp[i][2]);
		cr_expect_eq(pfk_get_le(p + 16, 4), 1);
		cr_expect_eq(pfk_get_le(p + 20, 4), 1);
		cr_expect_eq(pfk_get_le(p + 40, 8), 0);
		cr_expect_eq(pfk_get_le(p + 48, 8), 86400);
		cr_expect_eq(pfk_get_le(p + 56, 8), 28800);
		cr_expect_eq(pfk_get_le(p + 64, 8), 0);
	}
	ask_acquire(2, 3);
	cr_assert_eq(ask(), OK);
	cr_assert_eq(proposal(&p), 5);
	for (size_t i = 0; i < 5; i++, p += 72) {
		cr_expect_eq(p[0], ah[i][0]);
		cr_expect_eq(pfk_get_le(p + 4, 2), ah[i][1]);
		cr_expect_eq(pfk_get_le(p + 6, 2), ah[i][1]);
	}
	ask_acquire(9, 3);
	cr_assert_eq(ask(), OK);
	cr_assert_eq(proposal(&p), 1);
	cr_expect_eq(p[1], 2);
	ask_acquire(11, 3);
	cr_assert_eq(ask(), OK);
	cr_expect_null(pfk_find_ext(&r, 13));
	/* [PFKEY-3.1.6-05] in its time, the same again says nothing */
	ask_acquire(3, 3);
	cr_expect_eq(ask(), PFK_SILENCE);
	/* an SA is there, of any mode */
	pfk_esp(&m, 0x1000);
	pfk_cut_ext(&m, 19);
	cr_assert_eq(ask(), OK);
	ask_acquire(3, 2);
	cr_expect_eq(ask(), EEXIST);
	pfk_cut_ext(&m, 13);
	cr_expect_eq(ask(), EINVAL, "no proposal");
	end();
}

/* [PFKEY-2.3.8-02] What is listed has key sizes: none of 0 but the null cipher's
 * least, and none upside down. */
Test(pfk_sadb, listed_key_sizes_can_be)
{
	for (unsigned id = 0; id < IPM_N_PROFILES; id++) {
		unsigned seen = 0;

		begin((enum ipm_profile_id)id);
		pfk_head(&m, 7, 3, 1, 1);
		cr_assert_eq(ask(), OK);
		for (unsigned type = 14; type <= 15; type++) {
			const uint8_t *p = pfk_find_ext(&r, type);
			size_t n = pfk_get_le(p, 2);

			for (size_t i = 1; i < n; i++, seen++) {
				uint64_t min = pfk_get_le(p + 8 * i + 2, 2);
				uint64_t max = pfk_get_le(p + 8 * i + 4, 2);
				bool null = type == 15 && p[8 * i] == 11;

				cr_expect_eq(min == 0, null, "%s %u", b.pf.name,
				    p[8 * i]);
				cr_expect(max != 0 && min <= max, "%s %u",
				    b.pf.name, p[8 * i]);
			}
		}
		cr_expect_geq(seen, 13, "%s", b.pf.name);
		end();
	}
}

/* The sysctls shape proposals, and net.key.esp_auth repeats them. */
Test(pfk_sadb, proposals_follow_sysctls)
{
	const uint8_t *p;

	for (int kept = 0; kept < 2; kept++) {
		begin(IPM_PF_FREEBSD_2017);
		if (kept)
			cr_assert(ipm_profile_set(
			    &b.pf, "pfkey-proposal-auth", "kept"));
		pfk_head(&m, 7, 3, 1, 7);
		cr_assert_eq(ask(), OK);
		b.e.ipm.sysctls.v[IPM_SV_ESP_KEYMIN] = 449;
		ask_acquire(3, 3);
		cr_assert_eq(ask(), OK);
		cr_assert_eq(proposal(&p), 1, "null alone");
		cr_expect_eq(pfk_get_le(p + 8, 2), 449);
		b.e.ipm.sysctls.v[IPM_SV_AH_KEYMIN] = 300;
		b.e.ipm.sysctls.v[IPM_SV_ESP_AUTH] = 1;
		ask_acquire(3, 4);
		cr_assert_eq(ask(), OK);
		cr_assert_eq(proposal(&p), 2);
		cr_expect_eq(p[0], kept ? 7 : 0);
		cr_expect_eq(p[72], kept ? 6 : 0);
		cr_expect_eq(pfk_get_le(p + 4, 2), kept ? 512 : 0);
		b.e.ipm.sysctls.v[IPM_SV_ESP_KEYMIN] = 5000;
		ask_acquire(3, 5);
		cr_assert_eq(ask(), OK);
		cr_expect_null(pfk_find_ext(&r, 13));
		end();
	}
}

static void
expect_times(const char *value, const uint32_t want[4])
{
	const uint8_t *p;

	begin(IPM_PF_FREEBSD_2017);
	cr_assert(ipm_profile_set(&b.pf, "pfkey-proposal-lifetimes", value));
	pfk_head(&m, 7, 3, 1, 7);
	cr_assert_eq(ask(), OK);
	ask_acquire(9, 3);
	cr_assert_eq(ask(), OK);
	cr_assert_eq(proposal(&p), 1);
	for (size_t i = 0; i < 4; i++)
		cr_expect_eq(
		    pfk_get_le(p + 40 + 8 * i, 8), want[i], "%s %zu", value, i);
	end();
}

/* soft and hard addtime, soft and hard usetime */
Test(pfk_sadb, proposal_lifetimes)
{
	expect_times("meant", (const uint32_t[]){ 69120, 86400, 23040, 28800 });
	expect_times("freebsd", (const uint32_t[]){ 0, 86400, 28800, 0 });
	expect_times("linux", (const uint32_t[]){ 72000, 86400, 25200, 28800 });
}

/* --- broken messages -------------------------------------------------------------------------------- */

/* The bits that a key states count, not the room of its extension: of none at
 * all no HMAC is made (check_csp of crypto.c). */
Test(pfk_sadb, a_key_of_no_bits)
{
	begin(IPM_PF_FREEBSD_13);
	pfk_esp(&m, 0x1000);
	pfk_set(pfk_find_ext(&m, 8) + 4, 2, 0);
	cr_expect_eq(ask(), EINVAL);
	pfk_set(pfk_find_ext(&m, 8) + 4, 2, 8);
	cr_expect_eq(ask(), OK);
	end();
}

/* [PFKEY-2.3.3-03] A proxy may be of the other family: nothing is made of it.
 * [PFKEY-2.3.3-09] A destination may be a group, or everybody. */
Test(pfk_sadb, addresses_that_may_be)
{
	static const uint8_t dst[][4] = { { 224, 0, 0, 18 },
		{ 239, 255, 255, 255 }, { 255, 255, 255, 255 } };
	uint64_t plain;

	begin(IPM_PF_FREEBSD_2017);
	add_esp(0x1000);
	plain = pfk_box_sad(&b);
	end();
	begin(IPM_PF_FREEBSD_2017);
	pfk_esp(&m, 0x1000);
	pfk_add_addr(&m, 7, 6, 9);
	cr_expect_eq(ask(), OK);
	cr_expect_null(pfk_find_ext(&r, 7));
	cr_expect_eq(pfk_box_sad(&b), plain);
	end();
	for (size_t i = 0; i < sizeof dst / sizeof dst[0]; i++) {
		begin(IPM_PF_RFC4301);
		pfk_esp(&m, 0x1000);
		pfk_find_ext(&m, 1)[9] = 1;
		memcpy(pfk_find_ext(&m, 6) + 12, dst[i], 4);
		cr_expect_eq(ask(), OK, "row %zu", i);
		pfk_name_sa(&m, 5, 0x1000);
		memcpy(pfk_find_ext(&m, 6) + 12, dst[i], 4);
		cr_expect_eq(ask(), OK, "row %zu", i);
		cr_expect_eq(memcmp(pfk_find_ext(&r, 6) + 12, dst[i], 4), 0);
		end();
	}
}

/* Messages of every kind, each of which succeeds as it is. */
static void
sample(unsigned i)
{
	switch (i) {
	case 0:
		pfk_esp(&m, 0x7000);
		pfk_add_life(&m, 3, 1, 2, 3);
		pfk_add_life(&m, 4, 1, 2, 3);
		pfk_add_natt(&m, 2, 1, 2);
		pfk_add_addr(&m, 23, 4, 9);
		break;
	case 1:
		pfk_getspi(&m, 0x8000, 0x80ff);
		break;
	case 2:
		pfk_update(&m, 0x5000);
		break;
	case 3:
		pfk_name_sa(&m, 4, 0x1000);
		break;
	case 4:
		pfk_name_sa(&m, 5, 0x1000);
		break;
	case 5:
		update_plain(0x1000);
		pfk_add_addr(&m, 27, 4, 5);
		pfk_add_life(&m, 3, 1, 2, 3);
		pfk_add_life(&m, 4, 1, 2, 3);
		pfk_add_natt(&m, 2, 3, 4);
		break;
	case 6:
		ask_acquire(3, 9);
		break;
	case 7:
		pfk_head(&m, 10, 0, 1, 1);
		break;
	case 8:
		pfk_head(&m, 9, 0, 1, 1);
		break;
	case 9:
		pfk_head(&m, 7, 3, 1, 1);
		break;
	default:
		pfk_head(&m, 11, 1, 1, 1);
		break;
	}
}
#define SAMPLES 11

/* [PFKEY-2.3-02] In whatever order they come: each rotation of the
 * extensions, and those turned round. */
Test(pfk_sadb, extensions_in_any_order)
{
	static struct pfk_text plain;
	size_t off[16], n = 0;
	uint64_t want;

	begin(IPM_PF_FREEBSD_2017);
	sample(0);
	plain = m;
	cr_assert_eq(ask(), OK);
	want = pfk_box_sad(&b);
	end();
	for (size_t at = 16; at < plain.len;
	     at += pfk_get_le(plain.p + at, 2) * 8)
		off[n++] = at;
	cr_assert_eq(n, 12);
	for (size_t first = 0; first < n; first++)
		for (int back = 0; back < 2; back++) {
			m.len = 16;
			memcpy(m.p, plain.p, 16);
			for (size_t i = 0; i < n; i++) {
				size_t k = (first + (back ? n - i : i)) % n;
				size_t len =
				    pfk_get_le(plain.p + off[k], 2) * 8;

				memcpy(m.p + m.len, plain.p + off[k], len);
				m.len += len;
			}
			cr_assert_eq(m.len, plain.len);
			begin(IPM_PF_FREEBSD_2017);
			cr_expect_eq(ask(), OK, "%zu %d", first, back);
			cr_expect_eq(
			    pfk_box_sad(&b), want, "%zu %d", first, back);
			end();
		}
}

/* One mature and one larval SA. */
static void
begin_with_sas(enum ipm_profile_id profile)
{
	begin(profile);
	add_esp(0x1000);
	cr_assert_eq(larval(), 0x5000);
}

/* [PFKEY-1.4-01] [PFKEY-2.1-03] Every truncation: the error of the call, and
 * nothing is done. */
Test(pfk_sadb, every_truncation)
{
	static struct pfk_text whole;
	uint64_t before;

	begin_with_sas(IPM_PF_FREEBSD_2017);
	before = pfk_box_sad(&b);
	for (unsigned i = 0; i < SAMPLES; i++) {
		sample(i);
		whole = m;
		for (size_t len = 0; len < whole.len; len++) {
			m.len = len;
			cr_expect_eq(
			    ask(), PFK_CALL + EINVAL, "%u cut to %zu", i, len);
		}
		/* with the length put right, between extensions and within */
		for (size_t len = 16; len + 8 <= whole.len; len += 8) {
			int err;

			m = whole;
			m.len = len;
			pfk_set(m.p + 4, 2, len / 8);
			err = ask();
			cr_expect(err == PFK_CALL + ENOBUFS ||
				err == PFK_CALL + EINVAL || err == EINVAL ||
				err == OK || err == PFK_SILENCE,
			    "%u cut to %zu: %d", i, len, err);
			if (err != OK && err != PFK_SILENCE)
				cr_expect_eq(pfk_box_sad(&b), before,
				    "%u cut to %zu", i, len);
			if (err == OK) {
				end();
				begin_with_sas(IPM_PF_FREEBSD_2017);
			}
		}
	}
	end();
}

/* Every extension's length changed: too short or too long for its type is
 * EINVAL, past the end of the message ENOBUFS. */
Test(pfk_sadb, every_length)
{
	static const struct {
		unsigned type;
		int errnum[4]; /* stated units: 0, 1, own + 1, 250 */
	} rows[] = {
		{ 1, { EINVAL, EINVAL, EINVAL, EINVAL } },
		{ 3, { EINVAL, EINVAL, EINVAL, EINVAL } },
		{ 5, { EINVAL, EINVAL, EINVAL, EINVAL } },
		{ 19, { EINVAL, EINVAL, EINVAL, EINVAL } },
		{ 20, { EINVAL, 0, EINVAL, EINVAL } },
		{ 9, { EINVAL, 0, 0, ENOBUFS } },
		{ 12, { EINVAL, EINVAL, ENOBUFS, ENOBUFS } },
	};
	uint64_t before;

	begin_with_sas(IPM_PF_FREEBSD_2017);
	before = pfk_box_sad(&b);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int k = 0; k < 4; k++) {
			uint64_t units;
			uint8_t *p;

			if (rows[i].errnum[k] == 0)
				continue;
			sample(0);
			pfk_add_ext(&m, 12, 16);
			p = pfk_find_ext(&m, rows[i].type);
			units = pfk_get_le(p, 2);
			pfk_set(p, 2,
			    k == 0       ? 0
				: k == 1 ? 1
				: k == 2 ? units + 1
					 : 250);
			cr_expect_eq(ask(), PFK_CALL + rows[i].errnum[k],
			    "%u %d", rows[i].type, k);
			cr_expect_eq(pfk_box_sad(&b), before);
		}
	end();
}

/* [PFKEY-2.3-01] [PFKEY-2.3-04] Each extension twice, and unknown ones. */
Test(pfk_sadb, duplicate_and_unknown_extensions)
{
	static const unsigned unknown[] = { 0, 17, 29, 64, 256 + 1, 65535 };
	uint64_t before;

	begin_with_sas(IPM_PF_FREEBSD_2017);
	before = pfk_box_sad(&b);
	for (unsigned type = 1; type <= 28; type++) {
		static struct pfk_text whole;
		uint8_t copy[128], *p;
		size_t len;

		sample(0);
		whole = m;
		p = pfk_find_ext(&m, type);
		if (p == NULL)
			continue;
		len = (size_t)pfk_get_le(p, 2) * 8;
		memcpy(copy, p, len);
		memcpy(pfk_add_ext(&m, type, len), copy, len);
		cr_expect_eq(ask(), PFK_CALL + EINVAL, "%u twice", type);
	}
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
		sample(0);
		pfk_add_ext(&m, unknown[i], 16);
		cr_expect_eq(ask(), PFK_CALL + EINVAL, "%u", unknown[i]);
	}
	cr_expect_eq(pfk_box_sad(&b), before);
	end();
}

/* [PFKEY-2.3.3-01] [PFKEY-2.3.1-05] Each needed extension missing. */
Test(pfk_sadb, missing_extensions)
{
	static const struct {
		unsigned sample, type;
	} rows[] = { { 0, 1 }, { 0, 5 }, { 0, 6 }, { 0, 9 }, { 0, 3 }, { 1, 5 },
		{ 1, 6 }, { 2, 1 }, { 2, 5 }, { 2, 6 }, { 2, 9 }, { 3, 5 },
		{ 3, 6 }, { 4, 1 }, { 4, 5 }, { 4, 6 }, { 6, 5 }, { 6, 6 },
		{ 6, 13 } };
	uint64_t before;

	begin_with_sas(IPM_PF_FREEBSD_2017);
	before = pfk_box_sad(&b);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		static struct pfk_text sent;

		sample(rows[i].sample);
		if (rows[i].sample == 6)
			pfk_add_ext(&m, 12, 16);
		pfk_cut_ext(&m, rows[i].type);
		sent = m;
		cr_expect_eq(ask(), EINVAL, "%u without %u", rows[i].sample,
		    rows[i].type);
		cr_expect_eq(pfk_box_sad(&b), before);
		/* the whole request comes back with the errno */
		sent.p[2] = EINVAL;
		cr_expect(r.len == sent.len && memcmp(r.p, sent.p, r.len) == 0);
	}
	end();
}

/* What is refused before a handler sees it is counted, once and by its kind
 * (key_output, key_parse, key_align). */
Test(pfk_sadb, refusals_are_counted)
{
	static const enum ipm_stat kinds[] = { IPM_ST_PFKEY_out_tooshort,
		IPM_ST_PFKEY_out_invlen, IPM_ST_PFKEY_out_invver,
		IPM_ST_PFKEY_out_invmsgtype, IPM_ST_PFKEY_out_dupext,
		IPM_ST_PFKEY_out_invexttype, IPM_ST_PFKEY_out_invsatype,
		IPM_ST_PFKEY_out_invaddr };
	/* The ADD of pfk_esp with one octet changed, or cut to so many. */
	static const struct {
		size_t at, len;
		uint8_t to;
		enum ipm_stat kind;
	} rows[] = {
		{ 0, 8, 2, IPM_ST_PFKEY_out_tooshort },
		{ 0, 15, 2, IPM_ST_PFKEY_out_tooshort },
		{ 4, 0, 1, IPM_ST_PFKEY_out_invlen },
		{ 0, 0, 3, IPM_ST_PFKEY_out_invver },
		{ 1, 0, 23, IPM_ST_PFKEY_out_invmsgtype },
		{ 1, 0, 8, IPM_ST_PFKEY_out_invmsgtype },
		{ 18, 0, 29, IPM_ST_PFKEY_out_invexttype },
		{ 18, 0, 17, IPM_ST_PFKEY_out_invexttype },
		{ 34, 0, 1, IPM_ST_PFKEY_out_dupext },
		{ 16, 0, 0, IPM_ST_PFKEY_out_invlen },
		{ 16, 0, 3, IPM_ST_PFKEY_out_invlen },
		{ 3, 0, 0, IPM_ST_PFKEY_out_invsatype },
		{ 3, 0, 4, IPM_ST_PFKEY_out_invsatype },
		{ 3, 0, 5, IPM_ST_PFKEY_out_invsatype },
		{ 52, 0, 17, IPM_ST_PFKEY_out_invaddr },
		{ 53, 0, 33, IPM_ST_PFKEY_out_invaddr },
		{ 57, 0, 28, IPM_ST_PFKEY_out_invaddr },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct ipm_stats *st = &b.e.ipm.stats;
		uint64_t all = 0;

		begin(IPM_PF_FREEBSD_2017);
		pfk_esp(&m, 0x1000);
		cr_assert_eq(m.p[34], 19);
		cr_assert_eq(m.p[50], 5);
		m.p[rows[i].at] = rows[i].to;
		(void)pfk_send(&b.e, &b.pf, &b.env, b.sock,
		    ipm_span(m.p, rows[i].len == 0 ? m.len : rows[i].len));
		for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
			all += st->v[kinds[k]];
		cr_expect_eq(st->v[rows[i].kind], 1, "row %zu", i);
		cr_expect_eq(all, 1, "row %zu", i);
		end();
	}
}

/* [PFKEY-3.4-01] The generic checks of headers and addresses, in their order. */
Test(pfk_sadb, generic_checks)
{
	static const struct {
		uint8_t type, satype;
		int errnum;
	} satypes[] = {
		{ 3, 0, EINVAL },
		{ 3, 1, EINVAL },
		{ 3, 4, EINVAL },
		{ 3, 5, EOPNOTSUPP },
		{ 3, 8, EOPNOTSUPP },
		{ 3, 10, EINVAL },
		{ 3, 12, EINVAL },
		{ 3, 255, EINVAL },
		{ 7, 0, OK },
		{ 7, 1, EINVAL },
		{ 7, 6, EOPNOTSUPP },
		{ 7, 12, EINVAL },
		{ 10, 1, EINVAL },
		{ 11, 1, OK },
		{ 11, 0, OK },
		{ 11, 2, EINVAL },
		{ 11, 5, EOPNOTSUPP },
		{ 11, 4, EINVAL },
		{ 14, 3, EINVAL },
		{ 14, 7, EOPNOTSUPP },
		{ 14, 1, EINVAL },
		{ 18, 3, EINVAL },
		{ 18, 1, EINVAL },
		{ 0, 0, EINVAL },
		{ 8, 3, EINVAL },
		{ 12, 0, EINVAL },
		{ 17, 0, EINVAL },
		{ 21, 0, EINVAL },
		{ 23, 0, EINVAL },
		{ 255, 0, EINVAL },
	};

	begin(IPM_PF_FREEBSD_2017);
	for (size_t i = 0; i < sizeof satypes / sizeof satypes[0]; i++) {
		pfk_head(&m, satypes[i].type, satypes[i].satype, 1, 1);
		cr_expect_eq(ask(), satypes[i].errnum, "%u %u", satypes[i].type,
		    satypes[i].satype);
		if (satypes[i].type == 11 && satypes[i].satype == 1) {
			pfk_head(&m, 11, 0, 1, 1);
			(void)ask();
		}
	}
	/* [PFKEY-2.1-02] */
	pfk_head(&m, 10, 0, 1, 1);
	m.p[0] = 1;
	cr_expect_eq(ask(), EINVAL);
	/* a message of 2049 octets or more */
	pfk_esp(&m, 0x1000);
	pfk_add_ext(&m, 12, 2056 - m.len);
	cr_expect_eq(ask(), PFK_CALL + ENOBUFS);
	pfk_esp(&m, 0x1000);
	pfk_add_ext(&m, 12, 2048 - m.len);
	cr_expect_eq(ask(), OK);
	/* more than the send buffer takes */
	pfk_head(&m, 10, 0, 1, 1);
	m.len = 8200;
	cr_expect_eq(ask(), PFK_CALL + 40);
	end();
}

Test(pfk_sadb, addresses)
{
	begin(IPM_PF_FREEBSD_2017);
	pfk_esp(&m, 0x1000);
	pfk_find_ext(&m, 5)[4] = 6;
	cr_expect_eq(ask(), EINVAL, "protocols differ");
	pfk_esp(&m, 0x1000);
	pfk_find_ext(&m, 5)[9] = 1;
	cr_expect_eq(ask(), EINVAL, "families differ");
	pfk_find_ext(&m, 6)[9] = 1;
	cr_expect_eq(ask(), EAFNOSUPPORT);
	pfk_esp(&m, 0x1000);
	pfk_find_ext(&m, 5)[8] = 15;
	cr_expect_eq(ask(), EINVAL, "lengths differ");
	pfk_find_ext(&m, 6)[8] = 15;
	cr_expect_eq(ask(), EINVAL, "IPv4 of 15");
	pfk_esp(&m, 0x1000);
	pfk_find_ext(&m, 6)[5] = 33;
	cr_expect_eq(ask(), EINVAL);
	pfk_find_ext(&m, 6)[5] = 0;
	cr_expect_eq(ask(), OK, "prefix 0");
	/* an identity that is an address is looked at as one */
	pfk_esp(&m, 0x1001);
	pfk_add_ext(&m, 10, 16)[4] = 4;
	cr_expect_eq(ask(), PFK_CALL + EINVAL);
	cr_expect_eq(b.e.ipm.stats.v[IPM_ST_PFKEY_out_invaddr], 6);
	cr_expect_eq(b.e.ipm.stats.v[IPM_ST_PFKEY_out_invlen], 1);
	end();
}

/* --- want of memory ------------------------------------------------------------------------------------- */

/* The arena has not an octet to spare, and may grow by `more`. */
static void
tighten(struct pfk_engine *e, size_t more)
{
	struct ipm_arena *a = &e->ipm.arena;
	uint8_t *p = b.mem.alloc.resize(&b.mem, a->base, a->cap, a->used);

	cr_assert_not_null(p);
	a->base = p;
	a->cap = a->used;
	a->limit = a->used + more;
}

/* With each octet less than it takes: nothing is changed, or nothing but the
 * refusal that waits. */
Test(pfk_sadb, no_memory_in_the_arena)
{
	static struct pfk_box saved;

	for (unsigned i = 0; i < SAMPLES; i++) {
		bool done = false;

		begin_with_sas(IPM_PF_FREEBSD_2017);
		sample(i);
		saved = b;
		for (size_t more = 0; !done && more < 200000;
		     more += more < 30000 ? 1000 : 8) {
			uint64_t before, sad;
			int err;

			cr_assert_eq(
			    pfk_engine_clone(&b.e, &saved.e, &b.mem.alloc),
			    IPM_OK);
			(void)pfk_drain(&b, b.sock);
			(void)pfk_drain(&b, b.other);
			b.tape.pos = saved.tape.pos;
			tighten(&b.e, more);
			before = pfk_engine_digest(&b.e);
			sad = pfk_box_sad(&b);
			err = pfk_send(
			    &b.e, &b.pf, &b.env, b.sock, ipm_span(m.p, m.len));
			if (err != 0) {
				cr_expect_eq(err, ENOBUFS);
				cr_expect_eq(pfk_engine_digest(&b.e), before,
				    "%u with %zu", i, more);
			} else if (pfk_next(&b, b.sock, &r) && r.p[2] != 0) {
				cr_expect_eq(r.p[2], ENOBUFS);
				cr_expect_eq(pfk_box_sad(&b), sad);
			} else {
				done = true;
			}
			pfk_engine_free(&b.e, &b.mem.alloc);
		}
		cr_expect(done, "sample %u", i);
		b.e = saved.e;
		end();
	}
}

/* Each call of the allocator fails in turn, those for the index too. */
Test(pfk_sadb, no_memory_anywhere)
{
	begin(IPM_PF_FREEBSD_2017);
	for (uint32_t i = 0; i < 400; i++) {
		uint64_t before;
		int err;

		(void)pfk_drain(&b, b.sock);
		(void)pfk_drain(&b, b.other);
		pfk_esp(&m, 0x1000 + i);
		pfk_find_ext(&m, 6)[15] = (uint8_t)i;
		before = pfk_engine_digest(&b.e);
		b.mem.fail_at = b.mem.calls + 1;
		err =
		    pfk_send(&b.e, &b.pf, &b.env, b.sock, ipm_span(m.p, m.len));
		b.mem.fail_at = 0;
		if (err == 0)
			continue;
		cr_expect_eq(err, ENOBUFS);
		cr_expect_eq(pfk_engine_digest(&b.e), before, "ADD %u", i);
		cr_assert_eq(ask(), OK, "again");
	}
	cr_expect_eq(b.e.ipm.sad.count, 400);
	end();
}

/* --- copies -------------------------------------------------------------------------------------------------- */

static void
random_message(uint64_t v)
{
	uint32_t spi = 0x1000 + (uint32_t)(v >> 8) % 40;

	switch (v % 9) {
	case 0:
	case 1:
	case 2:
		pfk_esp(&m, spi);
		pfk_find_ext(&m, 6)[15] = (uint8_t)((v >> 16) % 4);
		pfk_find_ext(&m, 19)[4] = (uint8_t)((v >> 20) % 3);
		pfk_add_life(&m, 3, 0, (v >> 24) % 30, 0);
		pfk_add_life(&m, 4, 0, (v >> 28) % 30, 0);
		break;
	case 3:
		pfk_name_sa(&m, 4, spi);
		pfk_find_ext(&m, 6)[15] = (uint8_t)((v >> 16) % 4);
		break;
	case 4:
		pfk_getspi(&m, 0x1000, 0x1000 + 39);
		break;
	case 5:
		pfk_update(&m, spi);
		break;
	case 6:
		pfk_head(&m, 10, 0, 1, 1);
		break;
	case 7:
		pfk_head(&m, 7, (v >> 8) % 2 ? 3 : 2, 1, 1);
		break;
	default:
		update_plain(spi);
		pfk_add_addr(&m, 28, 4, (uint8_t)((v >> 16) % 4));
		pfk_find_ext(&m, 6)[15] = (uint8_t)((v >> 18) % 4);
		break;
	}
}

/* A copy that gets the same events comes to the same state, whatever the other
 * one does meanwhile. */
Test(pfk_sadb, a_copy_has_the_same_effects)
{
	static struct pfk_box one;
	uint64_t rng = 3;

	begin(IPM_PF_FREEBSD_2017);
	for (int i = 0; i < 30; i++) {
		random_message(db_random(&rng));
		(void)ask();
	}
	for (int round = 0; round < 30; round++) {
		uint64_t seed = db_random(&rng), digest[2];

		one = b;
		cr_assert_eq(
		    pfk_engine_clone(&one.e, &b.e, &b.mem.alloc), IPM_OK);
		for (int run = 0; run < 2; run++) {
			uint64_t s = seed;

			for (int i = 0; i < 25; i++) {
				random_message(db_random(&s));
				(void)pfk_send(&b.e, &b.pf, &b.env, b.sock,
				    ipm_span(m.p, m.len));
				pfk_box_wait(&b, db_random(&s) % 3);
			}
			digest[run] = pfk_engine_digest(&b.e);
			if (run == 0) {
				pfk_engine_free(&b.e, &b.mem.alloc);
				b.e = one.e;
				b.tape.pos = one.tape.pos;
				b.env.sec = one.env.sec;
			}
		}
		cr_expect_eq(digest[0], digest[1], "round %d", round);
		if (b.tape.octets.len - b.tape.pos < 2000)
			b.tape.pos = 0;
	}
	end();
}

/* --- where the kernels left RFC 2367 ----------------------------------------------------- */

static void
begin_rfc(const char *name, const char *value)
{
	begin(IPM_PF_FREEBSD_2017);
	if (value != NULL)
		cr_assert(ipm_profile_set(&b.pf, name, value));
}

/* One request, its errno in FreeBSD and under the switch's other word. */
static void
both(const char *name, const char *value, void (*make)(void), int freebsd,
    int rfc)
{
	begin_rfc(name, NULL);
	make();
	cr_expect_eq(ask(), freebsd, "%s", name);
	end();
	begin_rfc(name, value);
	make();
	cr_expect_eq(ask(), rfc, "%s=%s", name, value);
	end();
}

static void
make_wrong_length(void)
{
	pfk_head(&m, 10, 0, 1, 1);
	pfk_set(m.p + 4, 2, 3);
}

static void
make_overrun(void)
{
	pfk_esp(&m, 0x1000);
	pfk_set(pfk_add_ext(&m, 12, 16), 2, 3);
}

static void
make_unknown(void)
{
	pfk_esp(&m, 0x1000);
	pfk_add_ext(&m, 29, 16);
	pfk_add_ext(&m, 29, 16);
	pfk_add_ext(&m, 17, 8);
}

static void
make_type_0(void)
{
	pfk_esp(&m, 0x1000);
	pfk_add_ext(&m, 0, 16);
}

static void
make_dying(void)
{
	pfk_esp(&m, 0x1000);
	pfk_find_ext(&m, 1)[9] = 2;
}

static void
make_update(void)
{
	pfk_update(&m, 0x1000);
}

static void
make_backwards(void)
{
	pfk_getspi(&m, 0x2000, 0x1000);
}

static void
make_register(void)
{
	pfk_head(&m, 7, 0, 1, 1);
}

static void
make_acquire(void)
{
	ask_acquire(3, 2);
}

static void
make_multicast(void)
{
	pfk_esp(&m, 0x1000);
	memcpy(pfk_find_ext(&m, 5) + 12, (const uint8_t[]){ 224, 0, 0, 1 }, 4);
}

static void
make_multicast6(void)
{
	pfk_esp(&m, 0x1000);
	pfk_cut_ext(&m, 5);
	pfk_cut_ext(&m, 6);
	pfk_add_addr(&m, 5, 6, 1);
	pfk_add_addr(&m, 6, 6, 2);
	pfk_find_ext(&m, 5)[16] = 0xff;
}

static void
make_broadcast(void)
{
	pfk_getspi(&m, 0x1000, 0x10ff);
	memset(pfk_find_ext(&m, 5) + 12, 0xff, 4);
}

static void
make_unspecified(void)
{
	pfk_esp(&m, 0x1000);
	memset(pfk_find_ext(&m, 5) + 12, 0, 4);
}

/* [PFKEY-2.1-04] [PFKEY-2.3-03] [PFKEY-2.3-04] [PFKEY-2.3-05]
 * [PFKEY-2.3.3-08] [PFKEY-3.1.2-04] [PFKEY-3.1.3-03] [PFKEY-3.1.2-01] [PFKEY-2.3.9-01]
 * [PFKEY-3.1.7-01] [PFKEY-3.1.6-04] [PFKEY-3.1-02] */
Test(pfk_sadb, errno_of_rfc_2367)
{
	both("pfkey-length-errno", "emsgsize", make_wrong_length,
	    PFK_CALL + EINVAL, PFK_CALL + 40);
	both("pfkey-overrun-errno", "einval", make_overrun, PFK_CALL + ENOBUFS,
	    PFK_CALL + EINVAL);
	both("pfkey-unknown-extension", "ignore", make_unknown,
	    PFK_CALL + EINVAL, OK);
	both("pfkey-unknown-extension", "ignore", make_type_0,
	    PFK_CALL + EINVAL, PFK_CALL + EINVAL);
	both("pfkey-sa-state", "mature", make_dying, OK, EINVAL);
	both("pfkey-update-errno", "esrch", make_update, EINVAL, ESRCH);
	both("pfkey-getspi-order", "einval", make_backwards, OK, EINVAL);
	both("pfkey-group-source", "refuse", make_multicast, OK, EINVAL);
	both("pfkey-group-source", "refuse", make_multicast6, OK, EINVAL);
	both("pfkey-group-source", "refuse", make_broadcast, OK, EINVAL);
	both("pfkey-group-source", "refuse", make_unspecified, OK, OK);
	both("pfkey-register-unspec", "refuse", make_register, OK, EINVAL);
	both("pfkey-acquire-nobody", "eprotonosupport", make_acquire,
	    PFK_SILENCE, 43);
}

/* [PFKEY-3.1-01] */
Test(pfk_sadb, error_replies)
{
	for (int header = 0; header < 2; header++) {
		begin_rfc("pfkey-error-reply", header ? "header" : NULL);
		pfk_name_sa(&m, 5, 0x1000);
		cr_expect_eq(ask(), ESRCH);
		cr_expect_eq(r.len, header ? 16 : m.len);
		cr_expect_eq(pfk_get_le(r.p + 4, 2) * 8, r.len);
		end();
	}
}

/* [PFKEY-3.1.1-06] [PFKEY-3.1.8-01] [PFKEY-3.1.6-01] Who hears of it. */
Test(pfk_sadb, listeners_of_rfc_2367)
{
	for (int rfc = 0; rfc < 2; rfc++) {
		begin_rfc("pfkey-getspi-reply", rfc ? "all" : NULL);
		pfk_getspi(&m, 0x1000, 0x10ff);
		cr_assert_eq(
		    pfk_send(&b.e, &b.pf, &b.env, b.sock, ipm_span(m.p, m.len)),
		    0);
		cr_expect_eq(pfk_drain(&b, b.other), rfc ? 1 : 0);
		end();

		begin_rfc("pfkey-expire-to", rfc ? "all" : NULL);
		pfk_esp(&m, 0x1000);
		pfk_add_life(&m, 3, 0, 5, 0);
		pfk_add_life(&m, 4, 0, 9, 0);
		cr_assert_eq(ask(), OK);
		(void)pfk_drain(&b, b.other);
		pfk_box_wait(&b, 6);
		cr_expect_eq(pfk_drain(&b, b.other), rfc ? 1 : 0);
		end();

		begin_rfc("pfkey-registered-for", rfc ? "type" : NULL);
		pfk_head(&m, 7, 2, 1, 1);
		cr_assert_eq(ask(), OK);
		ask_acquire(3, 2);
		cr_expect_eq(ask(), rfc ? PFK_SILENCE : OK);
		ask_acquire(2, 2);
		cr_expect_eq(ask(), OK);
		end();
	}
}
