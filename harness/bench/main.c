/*
 * ipsecsim-bench: the speed of replay's inner loop beside the raw libcrypto
 * rate for the same work, and of the whole program beside other programs on
 * the same capture.  All in one run, as ratios; nothing here is a test.
 *
 * Work per packet: IP header, look-up, window, ICV, decryption, padding, inner
 * header, verdict.  Raw: the same octets through keyed EVP contexts that are
 * reused, ICV compared.  The two alternate in slices, the best slice of each
 * counts, and before the clock is read every packet has been opened once.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_lookup.h"
#include "hx_engine.h"
#include "pfk_engine.h"
#include "transform/ipm_tunnel.h"

enum {
	PACKETS = 2048,
	SLICES = 24,
	FILE_PACKETS = 100000
};
#define SLICE_SECONDS 0.05

static const uint8_t key_octets[64] = { 0x10, 0x21, 0x32, 0x43, 0x54, 0x65,
	0x76, 0x87, 0x98, 0xa9, 0xba, 0xcb, 0xdc, 0xed, 0xfe, 0x0f, 0x11, 0x22,
	0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc };

/* One combination of algorithms. */
struct suite {
	const char *name, *enc, *auth;
	size_t enc_key, auth_key; /* octets, salt included */
};

static const struct suite suites[] = {
	{ "aes-128-gcm", "aes-gcm-16", NULL, 20, 0 },
	{ "aes-128-cbc+hmac-sha1-96", "aes-cbc", "hmac-sha1", 16, 20 },
};

struct packets {
	uint8_t *octets;
	size_t stride, len, esp_off;
};

static double
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "ipsecsim-bench: %s\n", what);
	exit(3);
}

static struct ipm_addr
addr4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct ipm_addr){ .family = 4, .octet = { a, b, c, d } };
}

static struct ipm_sa_config
sa_config(const struct suite *s)
{
	struct ipm_sa_config c = { .src = addr4(192, 0, 2, 1),
		.dst = addr4(192, 0, 2, 2),
		.proto = IPM_PROTO_ESP,
		.spi = 0x12345678,
		.mode = IPM_MODE_TUNNEL,
		.enc = ipm_alg_by_name(s->enc),
		.auth = s->auth == NULL ? NULL : ipm_alg_by_name(s->auth),
		.enc_key = { key_octets, s->enc_key },
		.auth_key = { key_octets + 28, s->auth_key },
		.window = 64 };

	return c;
}

/* An inner UDP packet of len octets. */
static void
inner_packet(uint8_t *p, size_t len)
{
	struct ipm_ip4_fields f = { .ttl = 64,
		.proto = IPM_PROTO_UDP,
		.total = (uint16_t)len,
		.src = { 10, 1, 0, 5 },
		.dst = { 10, 2, 0, 7 } };

	ipm_ip4_build(p, &f);
	for (size_t i = 20; i < len; i++)
		p[i] = (uint8_t)i;
	ipm_store16(p + 24, (uint16_t)(len - 20));
	ipm_store16(p + 26, 0);
}

static struct packets
make_packets(struct hx_engine *e, size_t inner_len, uint32_t count)
{
	struct ipm_addr dst = addr4(192, 0, 2, 2);
	struct ipm_derived_sa *sa = ipm_derived_find(
	    &e->derived, &e->state.arena, &dst, IPM_PROTO_ESP, 0x12345678);
	struct ipm_tunnel_entrance out = { .src = addr4(192, 0, 2, 1),
		.dst = dst,
		.proto = IPM_PROTO_ESP,
		.ttl = 64 };
	struct ipm_esp_choices c = { 0 };
	struct packets pk = { .stride = inner_len + 128, .esp_off = 20 };
	uint8_t inner[2048];

	pk.octets = calloc(count, pk.stride);
	if (pk.octets == NULL || sa == NULL || sa->err != IPM_OK)
		die("cannot make packets");
	inner_packet(inner, inner_len);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *p = pk.octets + i * pk.stride;
		size_t len, hlen;

		c.seq = i + 1;
		ipm_store64(c.iv + sa->esp.enc->iv_len - 8, i + 1);
		c.pad_len = ipm_esp_pad_min(&sa->esp, &e->profile, inner_len);
		(void)ipm_esp_pad_make(&sa->esp, NULL, &c);
		if (ipm_esp_seal(&sa->esp, &c, IPM_PROTO_IPV4,
			ipm_span(inner, inner_len), p + 20, pk.stride - 20,
			&len) != IPM_OK ||
		    ipm_tunnel_enter(&out, len, p, &hlen) != IPM_R_OK)
			die("cannot seal");
		pk.len = 20 + len;
	}
	return pk;
}

static void
rewind_window(struct hx_engine *e)
{
	struct ipm_sa *sa = ipm_arena_at(&e->state.arena, e->state.sad.first);

	ipm_replay_init(
	    ipm_arena_at(&e->state.arena, sa->replay), 64, false, 0);
}

/* One pass over all packets; how many ended for this reason. */
static uint32_t
pass(struct hx_engine *e, const struct packets *pk, uint32_t count,
    enum ipm_reason reason)
{
	static struct ipm_observation o;
	uint32_t n = 0;

	rewind_window(e);
	for (uint32_t i = 0; i < count; i++) {
		hx_engine_observe(e, 1, 0,
		    ipm_span(pk->octets + i * pk->stride, pk->len), i + 1, &o);
		n += o.reason == reason;
	}
	return n;
}

/* --- the same work with libcrypto alone ------------------------------------ */

struct raw {
	const struct suite *s;
	EVP_CIPHER_CTX *dec;
	EVP_MAC_CTX *mac;
};

static struct raw
raw_open(const struct suite *s)
{
	struct raw r = { .s = s, .dec = EVP_CIPHER_CTX_new() };
	char sha1[] = "SHA1";
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(
				     OSSL_MAC_PARAM_DIGEST, sha1, 0),
		OSSL_PARAM_construct_end() };
	EVP_CIPHER *c = EVP_CIPHER_fetch(
	    NULL, s->auth == NULL ? "AES-128-GCM" : "AES-128-CBC", NULL);

	if (EVP_DecryptInit_ex2(r.dec, c, key_octets, NULL, NULL) != 1)
		die("EVP_DecryptInit_ex2");
	if (s->auth != NULL)
		(void)EVP_CIPHER_CTX_set_padding(r.dec, 0);
	EVP_CIPHER_free(c);
	if (s->auth != NULL) {
		EVP_MAC *m = EVP_MAC_fetch(NULL, "HMAC", NULL);

		r.mac = EVP_MAC_CTX_new(m);
		EVP_MAC_free(m);
		if (EVP_MAC_init(r.mac, key_octets + 28, s->auth_key, params) !=
		    1)
			die("EVP_MAC_init");
	}
	return r;
}

static void
raw_close(struct raw *r)
{
	EVP_CIPHER_CTX_free(r->dec);
	EVP_MAC_CTX_free(r->mac);
}

static bool
raw_gcm(const struct raw *r, const uint8_t *esp, size_t len, uint8_t *out)
{
	uint8_t nonce[12], tag[16], end[16];
	int n;

	memcpy(nonce, key_octets + 16, 4);
	memcpy(nonce + 4, esp + 8, 8);
	memcpy(tag, esp + len - 16, 16);
	return EVP_DecryptInit_ex2(r->dec, NULL, NULL, nonce, NULL) == 1 &&
	    EVP_CIPHER_CTX_ctrl(r->dec, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 &&
	    EVP_DecryptUpdate(r->dec, NULL, &n, esp, 8) == 1 &&
	    EVP_DecryptUpdate(r->dec, out, &n, esp + 16, (int)len - 32) == 1 &&
	    EVP_DecryptFinal_ex(r->dec, end, &n) == 1;
}

static bool
raw_cbc(const struct raw *r, const uint8_t *esp, size_t len, uint8_t *out)
{
	uint8_t mac[20];
	size_t got;
	int n;

	return EVP_MAC_init(r->mac, NULL, 0, NULL) == 1 &&
	    EVP_MAC_update(r->mac, esp, len - 12) == 1 &&
	    EVP_MAC_final(r->mac, mac, &got, sizeof mac) == 1 &&
	    CRYPTO_memcmp(mac, esp + len - 12, 12) == 0 &&
	    EVP_DecryptInit_ex2(r->dec, NULL, NULL, esp + 8, NULL) == 1 &&
	    EVP_DecryptUpdate(r->dec, out, &n, esp + 24, (int)len - 36) == 1;
}

static uint32_t
raw_pass(const struct raw *r, const struct packets *pk, uint32_t count)
{
	static uint8_t out[4096];
	uint32_t ok = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *esp = pk->octets + i * pk->stride + pk->esp_off;
		size_t len = pk->len - pk->esp_off;

		ok += r->s->auth == NULL ? raw_gcm(r, esp, len, out)
					 : raw_cbc(r, esp, len, out);
	}
	return ok;
}

/* --- timing ------------------------------------------------------------------- */

struct rate {
	double ours, raw, flipped; /* packets per second */
};

static void
flip_all(const struct packets *pk, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		pk->octets[i * pk->stride + pk->len - 1] ^= 1;
}

static double
slice(struct hx_engine *e, const struct packets *pk, enum ipm_reason reason)
{
	double t0 = now(), t;
	uint64_t n = 0;

	do {
		if (pass(e, pk, PACKETS, reason) != PACKETS)
			die("a verdict changed while the clock ran");
		n += PACKETS;
		t = now() - t0;
	} while (t < SLICE_SECONDS);
	return (double)n / t;
}

static double
raw_slice(const struct raw *r, const struct packets *pk)
{
	double t0 = now(), t;
	uint64_t n = 0;

	do {
		if (raw_pass(r, pk, PACKETS) != PACKETS)
			die("libcrypto refused a packet");
		n += PACKETS;
		t = now() - t0;
	} while (t < SLICE_SECONDS);
	return (double)n / t;
}

static void
keep_best(double *best, double v)
{
	if (v > *best)
		*best = v;
}

static struct rate
measure(struct hx_engine *e, const struct suite *s, const struct packets *pk)
{
	struct raw r = raw_open(s);
	struct rate rate = { 0 };

	/* Right before fast: every ICV holds, every flipped one does not. */
	if (pass(e, pk, PACKETS, IPM_R_OK) != PACKETS)
		die("not every packet is accepted");
	flip_all(pk, PACKETS);
	if (pass(e, pk, PACKETS, IPM_R_ICV_BAD) != PACKETS)
		die("not every flipped packet is refused");
	flip_all(pk, PACKETS);
	for (int i = 0; i < SLICES; i++) {
		keep_best(&rate.ours, slice(e, pk, IPM_R_OK));
		keep_best(&rate.raw, raw_slice(&r, pk));
		flip_all(pk, PACKETS);
		keep_best(&rate.flipped, slice(e, pk, IPM_R_ICV_BAD));
		flip_all(pk, PACKETS);
	}
	raw_close(&r);
	return rate;
}

/* --- other programs on the same capture ------------------------------------------ */

static void
write_capture(const char *path, const struct packets *pk, uint32_t count)
{
	uint32_t head[6] = { 0xa1b2c3d4, 2 | 4U << 16, 0, 0, 65535, 101 };
	FILE *f = fopen(path, "wb");

	if (f == NULL)
		die("cannot write a capture");
	(void)fwrite(head, sizeof head, 1, f);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t rec[4] = { 1000 + i / 1000, i % 1000,
			(uint32_t)pk->len, (uint32_t)pk->len };

		(void)fwrite(rec, sizeof rec, 1, f);
		(void)fwrite(pk->octets + i * pk->stride, pk->len, 1, f);
	}
	if (fclose(f) != 0)
		die("cannot write a capture");
}

/* Seconds a command takes, output discarded; below 0 when it fails. */
static double
time_command(const char *command)
{
	double t0 = now();
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)dup2(null, 2);
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		return -1;
	return now() - t0;
}

static void
hex(char *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)sprintf(out + 2 * i, "%02x", p[i]);
}

/* A command of another program; it names what the program does not do. */
struct peer {
	const char *name, *note;
	char command[2048];
};

static void
compare_programs(const char *self, const struct suite *s, size_t inner,
    const struct packets *pk, const char *dir)
{
	char ek[80] = "", ak[80] = "", cap[300], cfg[300];
	struct peer peers[6];
	double base = 0;
	size_t n = 0;
	FILE *f;

	(void)snprintf(cap, sizeof cap, "%s/%s-%zu.pcap", dir, s->enc, inner);
	(void)snprintf(cfg, sizeof cfg, "%s/%s.setkey", dir, s->enc);
	write_capture(cap, pk, FILE_PACKETS);
	hex(ek, key_octets, s->enc_key);
	hex(ak, key_octets + 28, s->auth_key);
	f = fopen(cfg, "w");
	if (f == NULL)
		die("cannot write a configuration");
	(void)fprintf(f,
	    "add 192.0.2.1 192.0.2.2 esp 0x12345678 -m tunnel -r 8 -E %s "
	    "0x%s",
	    s->enc, ek);
	if (s->auth != NULL)
		(void)fprintf(f, " -A %s 0x%s", s->auth, ak);
	(void)fputs(";\n", f);
	(void)fclose(f);

	peers[n] = (struct peer){ .name = "replay -q", .note = "" };
	(void)snprintf(peers[n++].command, sizeof peers[0].command,
	    "%s replay -q -c %s -r %s", self, cfg, cap);
	peers[n] = (struct peer){ .name = "replay --json", .note = "" };
	(void)snprintf(peers[n++].command, sizeof peers[0].command,
	    "%s replay --json -c %s -r %s", self, cfg, cap);
	peers[n] =
	    (struct peer){ .name = "tshark", .note = "decrypts, checks ICVs" };
	(void)snprintf(peers[n++].command, sizeof peers[0].command,
	    "command -v tshark && tshark -r %s -o "
	    "esp.enable_encryption_decode:TRUE -o "
	    "esp.enable_authentication_check:TRUE -o "
	    "'uat:esp_sa:\"IPv4\",\"192.0.2.1\",\"192.0.2.2\","
	    "\"0x12345678\",\"%s\",\"0x%s\",\"%s\",\"%s%s\"'",
	    cap,
	    s->auth == NULL ? "AES-GCM with 16 octet ICV [RFC4106]"
			    : "AES-CBC [RFC3602]",
	    ek, s->auth == NULL ? "NULL" : "HMAC-SHA-1-96 [RFC2404]",
	    s->auth == NULL ? "" : "0x", ak);
	if (s->auth != NULL) {
		peers[n] = (struct peer){ .name = "tcpdump -E",
			.note = "checks no ICV" };
		(void)snprintf(peers[n++].command, sizeof peers[0].command,
		    "command -v tcpdump && tcpdump -n -r %s -E "
		    "'0x12345678@192.0.2.2 aes-cbc-hmac96:0x%s'",
		    cap, ek);
	}
	peers[n] = (struct peer){ .name = "scapy",
		.note = "a twentieth of the packets" };
	(void)snprintf(peers[n++].command, sizeof peers[0].command,
	    "/usr/bin/python3 -c \"\n"
	    "from scapy.all import PcapReader, IP\n"
	    "from scapy.layers.ipsec import SecurityAssociation, ESP\n"
	    "k = bytes.fromhex('%s'); a = bytes.fromhex('%s')\n"
	    "sa = SecurityAssociation(ESP, spi=0x12345678, "
	    "crypt_algo='%s', crypt_key=k%s, tunnel_header=IP("
	    "src='192.0.2.1', dst='192.0.2.2'))\n"
	    "n = 0\n"
	    "for p in PcapReader('%s'):\n"
	    "    sa.decrypt(p); n += 1\n"
	    "    if n == %d: break\n"
	    "assert n == %d\n\"",
	    ek, ak, s->auth == NULL ? "AES-GCM" : "AES-CBC",
	    s->auth == NULL ? ", auth_algo='NULL', auth_key=None"
			    : ", auth_algo='HMAC-SHA1-96', auth_key=a",
	    cap, FILE_PACKETS / 20, FILE_PACKETS / 20);

	for (size_t i = 0; i < n; i++) {
		double t = time_command(peers[i].command), rate;
		uint32_t count = strcmp(peers[i].name, "scapy") == 0
		    ? FILE_PACKETS / 20
		    : FILE_PACKETS;

		if (t < 0) {
			(void)printf("    %-14s not here, or it failed\n",
			    peers[i].name);
			continue;
		}
		rate = count / t;
		if (i == 0)
			base = rate;
		(void)printf("    %-14s %11.0f packets/s", peers[i].name, rate);
		if (i > 1)
			(void)printf("   replay -q is %.1f times as fast%s%s",
			    base / rate, peers[i].note[0] != '\0' ? "; " : "",
			    peers[i].note);
		(void)putchar('\n');
		(void)fflush(stdout);
	}
}

static void
memory(void)
{
	enum {
		N = 100000
	};
	struct hx_engine e;
	struct ipm_sa_config c;
	double t0, t1;

	if (!hx_engine_open(&e, IPM_PF_OBSERVER))
		die("no provider");
	t0 = now();
	for (uint32_t i = 0; i < N; i++) {
		c = (struct ipm_sa_config){ .proto = IPM_PROTO_ESP,
			.spi = 0x1000 + i,
			.mode = IPM_MODE_TUNNEL,
			.enc = ipm_alg_by_name("aes-cbc"),
			.auth = ipm_alg_by_name("hmac-sha512"),
			.enc_key = { key_octets, 32 },
			.auth_key = { key_octets, 64 },
			.window = 64 };
		c.src.family = c.dst.family = 6;
		if (hx_engine_add_sa(&e, &c) != IPM_OK)
			die("no memory for SAs");
	}
	t1 = now();
	(void)printf("memory per idle SA (window 64, IPv6, aes-cbc 256, "
		     "hmac-sha512), index included: %zu octets; %.0f "
		     "SAs/s added\n",
	    (e.state.arena.in_use + N * sizeof e.derived.sas[0] +
		e.derived.n_slots * sizeof e.derived.slots[0]) /
		N,
	    N / (t1 - t0));
	hx_engine_close(&e);
}

/* Room for an SADB_ADD of an ESP tunnel between two IPv6 addresses. */
#define ADD_LEN 248U

static void
put_le(uint8_t *p, size_t size, uint64_t v)
{
	for (size_t i = 0; i < size; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static uint8_t *
put_ext(uint8_t *p, unsigned type, size_t len)
{
	put_le(p, 2, len / 8);
	put_le(p + 2, 2, type);
	return p + len;
}

static uint8_t *
put_address(uint8_t *p, unsigned type, uint32_t host)
{
	p[4] = 255;
	p[5] = 128;
	p[8] = 28; /* sockaddr_in6 */
	p[9] = 28;
	p[16] = 0x20;
	p[17] = 0x01;
	put_le(p + 28, 4, host);
	return put_ext(p, type, 40);
}

static size_t
put_add(uint8_t *msg, uint32_t spi, uint32_t host)
{
	uint8_t *p = msg + 16;

	memset(msg, 0, ADD_LEN);
	msg[0] = 2;
	msg[1] = 3; /* ADD */
	msg[3] = 3; /* ESP */
	ipm_store32(p + 4, spi);
	p[8] = 8; /* window 64 */
	p[10] = 7;
	p[11] = 12;
	p = put_ext(p, 1, 16);
	p[4] = 2; /* tunnel */
	p = put_ext(p, 19, 16);
	p = put_address(p, 5, 1);
	p = put_address(p, 6, host);
	put_le(p + 4, 2, 512);
	memcpy(p + 8, key_octets, 64);
	p = put_ext(p, 8, 72);
	put_le(p + 4, 2, 256);
	memcpy(p + 8, key_octets, 32);
	p = put_ext(p, 9, 40);
	put_le(msg + 4, 2, (size_t)(p - msg) / 8);
	return (size_t)(p - msg);
}

static size_t
map_octets(const struct pfk_map *m)
{
	return m->n_slots * sizeof m->slot[0];
}

/* SADB_ADDs through the key engine's door, replies read: all between the same
 * two hosts, and each to a host of its own. */
static void
key_engine(const char *what, bool own_host)
{
	enum {
		N = 1000000
	};
	static struct pfk_engine k;
	struct hx_engine e;
	struct ipm_env env = { .sec = 1 };
	uint8_t msg[ADD_LEN], reply[512];
	uint32_t sock;
	double t0, t1;

	if (!hx_engine_open(&e, IPM_PF_FREEBSD_2017))
		die("no provider");
	env.alloc = &e.alloc;
	env.crypto = &e.crypto;
	pfk_engine_init(&k, 1, 0);
	sock = pfk_open(&k, &env);
	t0 = now();
	for (uint32_t i = 0; i < N; i++) {
		size_t len = put_add(msg, 0x1000 + i, own_host ? 2 + i : 2);

		if (pfk_send(&k, &e.profile, &env, sock, ipm_span(msg, len)) !=
			0 ||
		    pfk_recv(&k, sock, reply, sizeof reply) == 0 ||
		    reply[2] != 0)
			die("an SADB_ADD was refused");
	}
	t1 = now();
	(void)printf("key engine, %d SADB_ADDs %s: %.1f s, %.0f a second; "
		     "octets per SA (as above): state %zu, index %zu\n",
	    N, what, t1 - t0, N / (t1 - t0), k.ipm.arena.in_use / N,
	    (map_octets(&k.index.spi) + map_octets(&k.index.heads)) / N);
	pfk_engine_free(&k, &e.alloc);
	hx_engine_close(&e);
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = { 64, 1400 };
	bool peers = argc < 2 || strcmp(argv[1], "--no-peers") != 0;
	char dir[] = "/tmp/ipsecsim-bench-XXXXXX", self[600], rm[64];
	char *slash;

	(void)snprintf(self, sizeof self, "%s", argv[0]);
	if (argc > 1 && strcmp(argv[1], "--lookup") == 0) {
		bench_lookup();
		return 0;
	}
	slash = strrchr(self, '/');
	(void)snprintf(slash == NULL ? self : slash + 1, 16, "ipsecsim");
	if (mkdtemp(dir) == NULL)
		die("no temporary folder");
	(void)printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
		for (size_t k = 0; k < 2; k++) {
			struct ipm_sa_config c = sa_config(&suites[i]);
			struct hx_engine e;
			struct packets pk;
			struct rate r;
			double bits = (double)sizes[k] * 8e-9;

			if (!hx_engine_open(&e, IPM_PF_OBSERVER) ||
			    hx_engine_add_sa(&e, &c) != IPM_OK)
				die("no SA");
			pk = make_packets(&e, sizes[k], FILE_PACKETS);
			r = measure(&e, &suites[i], &pk);
			(void)printf("%s, %zu octets\n"
				     "  inner loop     %11.0f packets/s  "
				     "%6.2f Gbit/s\n"
				     "  raw libcrypto  %11.0f packets/s  "
				     "%6.2f Gbit/s   inner loop / raw %.2f\n"
				     "  one bit flipped%11.0f packets/s     "
				     "                 / inner loop %.2f\n",
			    suites[i].name, sizes[k], r.ours, r.ours * bits,
			    r.raw, r.raw * bits, r.ours / r.raw, r.flipped,
			    r.flipped / r.ours);
			(void)fflush(stdout);
			if (peers)
				compare_programs(
				    self, &suites[i], sizes[k], &pk, dir);
			free(pk.octets);
			hx_engine_close(&e);
		}
	memory();
	key_engine("between two hosts", false);
	key_engine("to a host each", true);
	bench_lookup();
	(void)snprintf(rm, sizeof rm, "rm -rf %s", dir);
	return system(rm) == 0 ? 0 : 3;
}
