#ifndef PATH_BOX_H
#define PATH_BOX_H

/*
 * A host for tests of the data path: the topology of the recordings (two
 * interfaces, two routes, a loopback interface), libcrypto and zlib behind it,
 * and everything that left it, in order.  Asserts instead of reporting.
 */

#include "db_box.h"
#include "ipm_path.h"

#define PATH_BOX_FX 64

struct path_fx {
	enum ipm_effect_kind kind;
	enum ipm_reason reason;
	int iface;
	uint8_t at, family, before;
	uint32_t spi, enc_flags, pcb;
	size_t len;
	uint8_t packet[4096]; /* its first octets */
};

struct path_box {
	struct db_memory mem;
	struct ipm_provider provider;
	struct ipm_compressor comp;
	struct ipm_state s;
	struct ipm_derived d;
	struct ipm_profile pf;
	struct ipm_tape tape;
	struct ipm_env env;
	struct ipm_work *work;
	struct ipm_path path;
	struct path_fx fx[PATH_BOX_FX];
	size_t n_fx;
	struct ipm_wanted wanted[16];
	size_t n_wanted;
	int want_errno; /* what need_sa answers */
};

/* Interfaces, in this order. */
enum {
	PATH_RED0,
	PATH_BLK1,
	PATH_LO0
};

/* The interfaces, addresses and routes of the recordings, both families
 * forwarded. */
void path_topology(struct ipm_host *h);

/* Forwarding both families, profile freebsd-13, second 1000, a tape of 4096
 * octets 1, 2, 3, ... */
void path_box_open(struct path_box *b);
void path_box_close(struct path_box *b);

/* Text to address; a family by the colon. */
struct ipm_addr path_addr(const char *text);

/* "10.1.0.0/24" and the like into a selector's end. */
void path_net(const char *text, struct ipm_end *end, uint8_t *prefix);

/* A policy of the SPD: src and dst as path_net takes them. */
ipm_off path_policy(struct path_box *b, enum ipm_dir dir, const char *src,
    const char *dst, uint8_t proto, enum ipm_policy type,
    const struct ipm_request *req, uint8_t n_reqs);

/* A request; ends NULL: not given. */
struct ipm_request path_request(uint8_t proto, enum ipm_mode mode,
    const char *src, const char *dst, enum ipm_level level, uint32_t reqid);

/* An UDP datagram of len payload octets 'a', 'b', ... in an IP packet, whole
 * and with checksums; returns its length. */
size_t path_udp(uint8_t *out, const char *src, const char *dst, uint16_t sport,
    uint16_t dport, size_t len);

/* Hex to octets; returns how many. */
size_t path_hex(uint8_t *out, size_t cap, const char *hex);

/* Effects of one kind, and the i-th of them. */
size_t path_count(const struct path_box *b, enum ipm_effect_kind kind);
const struct path_fx *path_nth(
    const struct path_box *b, enum ipm_effect_kind kind, size_t i);

#endif
