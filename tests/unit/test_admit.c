/* The inbound policy's word on what an observer opened (RFC 4301 5.2). */
#include <criterion/criterion.h>
#include <string.h>

#include "ipm_admit.h"
#include "support/db_box.h"

#define NET(a, b, c, d)                              \
	{                                            \
		.family = 4, .octet = { a, b, c, d } \
	}

struct layer {
	enum ipm_layer_kind kind;
	enum ipm_mode mode;
	uint8_t dst; /* 192.0.2.dst */
};

#define ESP_TUNNEL                            \
	{                                     \
		IPM_L_ESP, IPM_MODE_TUNNEL, 2 \
	}
#define AH_TRANSPORT                            \
	{                                       \
		IPM_L_AH, IPM_MODE_TRANSPORT, 2 \
	}
#define COMP_TUNNEL                              \
	{                                        \
		IPM_L_IPCOMP, IPM_MODE_TUNNEL, 2 \
	}

/*
 * The policy is `10.1.0.0/24 10.2.0.0/24 any in ipsec` and these requests,
 * innermost first; a packet from 10.1.0.5 (or .99.5) to 10.2.0.7.
 */
static const struct {
	const char *what;
	enum ipm_policy type;
	size_t n_reqs;
	struct ipm_request req[3];
	size_t n_layers;
	struct layer layer[3];
	bool outside; /* the selector */
	enum ipm_reason want;
} rows[] = {
#define REQ(p, m, l)                                     \
	{                                                \
		.proto = (p), .mode = (m), .level = (l), \
		.src = { .addr = NET(192, 0, 2, 1) },    \
		.dst = {.addr = NET(192, 0, 2, 2) }      \
	}
#define ESP_REQ  REQ(50, IPM_MODE_TUNNEL, IPM_LEVEL_REQUIRE)
#define AH_REQ   REQ(51, IPM_MODE_TRANSPORT, IPM_LEVEL_REQUIRE)
#define USE_REQ  REQ(50, IPM_MODE_TUNNEL, IPM_LEVEL_USE)
#define COMP_REQ REQ(108, IPM_MODE_TUNNEL, IPM_LEVEL_REQUIRE)
	{ "as demanded", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 1, { ESP_TUNNEL },
	    false, IPM_R_OK },
	{ "in the clear", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 0, { ESP_TUNNEL },
	    false, IPM_R_POLICY_MISMATCH },
	{ "another tunnel", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 1,
	    { { IPM_L_ESP, IPM_MODE_TUNNEL, 3 } }, false,
	    IPM_R_POLICY_MISMATCH },
	{ "another mode", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 1,
	    { { IPM_L_ESP, IPM_MODE_TRANSPORT, 2 } }, false,
	    IPM_R_POLICY_MISMATCH },
	{ "AH for ESP", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 1,
	    { { IPM_L_AH, IPM_MODE_TUNNEL, 2 } }, false,
	    IPM_R_POLICY_MISMATCH },
	{ "outside the selector", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 1,
	    { ESP_TUNNEL }, true, IPM_R_POLICY_MISMATCH },
	{ "outside and clear", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 0,
	    { ESP_TUNNEL }, true, IPM_R_CLEAR },
	{ "a bundle, outermost first", IPM_POLICY_IPSEC, 2, { ESP_REQ, AH_REQ },
	    2, { AH_TRANSPORT, ESP_TUNNEL }, false, IPM_R_OK },
	{ "the bundle turned round", IPM_POLICY_IPSEC, 2, { ESP_REQ, AH_REQ },
	    2, { ESP_TUNNEL, AH_TRANSPORT }, false, IPM_R_POLICY_MISMATCH },
	{ "half the bundle", IPM_POLICY_IPSEC, 2, { ESP_REQ, AH_REQ }, 1,
	    { ESP_TUNNEL }, false, IPM_R_POLICY_MISMATCH },
	{ "a layer too many", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 2,
	    { AH_TRANSPORT, ESP_TUNNEL }, false, IPM_R_POLICY_MISMATCH },
	{ "a layer too many, inside", IPM_POLICY_IPSEC, 1, { ESP_REQ }, 2,
	    { ESP_TUNNEL, AH_TRANSPORT }, false, IPM_R_POLICY_MISMATCH },
	{ "IPcomp may be missing", IPM_POLICY_IPSEC, 2, { COMP_REQ, ESP_REQ },
	    1, { ESP_TUNNEL }, false, IPM_R_OK },
	{ "IPcomp is there", IPM_POLICY_IPSEC, 2, { COMP_REQ, ESP_REQ }, 2,
	    { ESP_TUNNEL, COMP_TUNNEL }, false, IPM_R_OK },
	{ "level use, in the clear", IPM_POLICY_IPSEC, 1, { USE_REQ }, 0,
	    { ESP_TUNNEL }, false, IPM_R_OK },
	{ "level use, protected", IPM_POLICY_IPSEC, 1, { USE_REQ }, 1,
	    { ESP_TUNNEL }, false, IPM_R_OK },
	{ "none, in the clear", IPM_POLICY_NONE, 0, { ESP_REQ }, 0,
	    { ESP_TUNNEL }, false, IPM_R_OK },
	{ "none, protected", IPM_POLICY_NONE, 0, { ESP_REQ }, 1, { ESP_TUNNEL },
	    false, IPM_R_POLICY_MISMATCH },
	{ "discard", IPM_POLICY_DISCARD, 0, { ESP_REQ }, 0, { ESP_TUNNEL },
	    false, IPM_R_POLICY_MISMATCH },
};

/* [ARCH-5.2-08] [ARCH-5.2-12] [ARCH-5.2-13] */
Test(admit, rfc4301_5_2_step_4)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		static struct ipm_observation o;
		struct ipm_sp_config c = {
			.sel = { .src = { .addr = NET(10, 1, 0, 0) },
			    .dst = { .addr = NET(10, 2, 0, 0) },
			    .src_prefix = 24,
			    .dst_prefix = 24,
			    .proto = IPM_ULP_ANY },
			.dir = IPM_DIR_IN,
			.type = (uint8_t)rows[i].type,
			.scope = IPM_SCOPE_GLOBAL,
			.n_reqs = (uint8_t)rows[i].n_reqs
		};
		uint8_t packet[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0,
			10, 1, rows[i].outside ? 99 : 0, 5, 10, 2, 0, 7 };
		struct db_memory m;
		struct ipm_arena a;
		struct ipm_spd spd;
		ipm_off off;

		db_memory_init(&m);
		ipm_arena_init(&a, 0);
		ipm_spd_init(&spd);
		memcpy(c.req, rows[i].req, sizeof rows[i].req);
		cr_assert_eq(
		    ipm_spd_add(&spd, &a, &m.alloc, 0, 1000, &c, &off), IPM_OK);
		memset(&o, 0, sizeof o);
		o.n_layers = rows[i].n_layers;
		o.reason = o.n_layers == 0 ? IPM_R_CLEAR : IPM_R_OK;
		o.inner = o.packet = ipm_span(packet, sizeof packet);
		for (size_t k = 0; k < o.n_layers; k++) {
			o.layer[k].kind = rows[i].layer[k].kind;
			o.layer[k].mode = (uint8_t)rows[i].layer[k].mode;
			o.layer[k].src = (struct ipm_addr)NET(192, 0, 2, 1);
			o.layer[k].dst = (struct ipm_addr)NET(
			    192, 0, 2, rows[i].layer[k].dst);
		}
		cr_expect_eq(ipm_admit(&spd, &a, &o, 0), rows[i].want, "%s",
		    rows[i].what);
		o.reason = IPM_R_ICV_BAD;
		cr_expect_eq(ipm_admit(&spd, &a, &o, 0), IPM_R_ICV_BAD);
		ipm_arena_free(&a, &m.alloc);
	}
}
