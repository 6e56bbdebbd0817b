#ifndef IPM_PROFILE_H
#define IPM_PROFILE_H

/*
 * Named switches and the profiles that set them.  Where the manual page, the
 * kernels and the standards disagree, the code asks the switch and never the
 * profile's name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ipm_profile_id {
	IPM_PF_OBSERVER,
	IPM_PF_MANUAL,
	IPM_PF_FREEBSD_2017,
	IPM_PF_FREEBSD_13,
	IPM_PF_RFC2401,
	IPM_PF_RFC4301,
	IPM_PF_LINUX,
	IPM_N_PROFILES
};

enum ipm_switch {
#define IPM_SWITCH(id, name, values, text, ...) IPM_SW_##id,
#include "ipm_profile.def"
#undef IPM_SWITCH
	IPM_N_SWITCHES
};

/* The values, in the order in which the rows of ipm_profile.def name them. */
enum {
	IPM_OFF,
	IPM_ON
};
enum {
	IPM_PAD_IGNORE,
	IPM_PAD_LAST,
	IPM_PAD_FULL
};
enum {
	IPM_DUMMY_DROP,
	IPM_DUMMY_PASS
};
enum {
	IPM_ECN_NONE,
	IPM_ECN_CE,
	IPM_ECN_RFC6040,
	IPM_ECN_RFC3168_DROP,
	IPM_ECN_RFC3168_LIMITED,
	IPM_ECN_GIF
};
enum {
	IPM_AHPAD_ANY,
	IPM_AHPAD_RFC4302,
	IPM_AHPAD_4,
	IPM_AHPAD_8
};
enum {
	IPM_AHOPT_DATA,
	IPM_AHOPT_WHOLE
};
enum {
	IPM_AHRULES_RFC4302,
	IPM_AHRULES_FREEBSD,
	IPM_AHRULES_RFC1826
};
enum {
	IPM_REPLAY_RFC,
	IPM_REPLAY_OLD_ACCEPT
};
enum {
	IPM_A3_OFF,
	IPM_A3_CONSECUTIVE,
	IPM_A3_SINCE_VALID
};
enum {
	IPM_TH0_REJECT,
	IPM_TH0_ZERO
};
enum {
	IPM_NATT_ANY_SOURCE,
	IPM_NATT_EXACT
};
enum {
	IPM_OVERLAP_FIRST,
	IPM_OVERLAP_LAST,
	IPM_OVERLAP_DROP,
	IPM_OVERLAP_BSD
};
enum {
	IPM_WORDS_ALL,
	IPM_WORDS_2017,
	IPM_WORDS_13
};
enum {
	IPM_NULLKEY_OPTIONAL,
	IPM_NULLKEY_REQUIRED,
	IPM_NULLKEY_NONE
};
enum {
	IPM_LASTTRY_ACCEPT,
	IPM_LASTTRY_REFUSE
};
enum {
	IPM_SPLIFE_EITHER,
	IPM_SPLIFE_ADDTIME
};

enum {
	IPM_AHHIST_OTHER,
	IPM_AHHIST_BEYOND
};
enum {
	IPM_DEFLEV3_REQUIRE,
	IPM_DEFLEV3_USE
};
enum {
	IPM_ECNIN_FREEBSD,
	IPM_ECNIN_GIF,
	IPM_ECNIN_COPY,
	IPM_ECNIN_ECT0
};

enum {
	IPM_PFKALGS_ALL,
	IPM_PFKALGS_2017,
	IPM_PFKALGS_13
};
enum {
	IPM_GMAC_SALTED,
	IPM_GMAC_BARE,
	IPM_GMAC_REFUSE
};
enum {
	IPM_COMBLIFE_MEANT,
	IPM_COMBLIFE_FREEBSD,
	IPM_COMBLIFE_LINUX
};
enum {
	IPM_INPORTS_NEVER,
	IPM_INPORTS_SOCKET,
	IPM_INPORTS_ALWAYS
};
enum {
	IPM_HISTORY_DESTINATION,
	IPM_HISTORY_BOTH
};
enum {
	IPM_TAG_BADAUTH,
	IPM_TAG_NOXFORM
};
enum {
	IPM_MARKS_KEPT,
	IPM_MARKS_IP6_INPUT,
	IPM_MARKS_DECAP
};
enum {
	IPM_NESTED_OPEN,
	IPM_NESTED_LEAVE
};
enum {
	IPM_OCTET_LAST,
	IPM_OCTET_FIRST
};
enum {
	IPM_NATT_OBEY,
	IPM_NATT_IGNORE
};
enum {
	IPM_KEEPALIVE_CONSUME,
	IPM_KEEPALIVE_DELIVER
};
enum {
	IPM_PLAIN_OPEN,
	IPM_PLAIN_LEAVE
};
enum {
	IPM_NOSOCK_CHECK,
	IPM_NOSOCK_SKIP
};
enum {
	IPM_ZERO_REFUSE,
	IPM_ZERO_IN_WINDOW
};
enum {
	IPM_ICMP_SEND,
	IPM_ICMP_SUPPRESS
};

enum {
	IPM_SEQ_STOP,
	IPM_SEQ_WRAP
};
enum {
	IPM_HEADS_ALL,
	IPM_HEADS_FIRST
};
enum {
	IPM_GAIN_WITH_HEADER,
	IPM_GAIN_WITHOUT
};
enum {
	IPM_IP6_BEHIND,
	IPM_IP6_FRONT
};
enum {
	IPM_TAIL_SENT,
	IPM_TAIL_LOST
};
enum {
	IPM_TUNNELDF_SYSCTL,
	IPM_TUNNELDF_COPY
};
enum {
	IPM_FLAGS_FREEBSD,
	IPM_FLAGS_LINUX
};
enum {
	IPM_COMPLIMIT_REFUSE,
	IPM_COMPLIMIT_WRAP
};

enum {
	IPM_TS_USE,
	IPM_TS_SKIP
};

/* A profile in use: a row of the table, perhaps with switches changed. */
struct ipm_profile {
	const char *name;
	uint32_t value[IPM_N_SWITCHES];
};

struct ipm_switch_row {
	const char *name;
	const char *values; /* "ignore|last|full", or "number" */
	const char *text;
	uint32_t by_profile[IPM_N_PROFILES];
};

extern const struct ipm_switch_row ipm_switches[IPM_N_SWITCHES];

const char *ipm_profile_name(enum ipm_profile_id id);

/* The profile as its row says. */
void ipm_profile_init(struct ipm_profile *p, enum ipm_profile_id id);

/* Profile of this name; IPM_N_PROFILES when there is none. */
enum ipm_profile_id ipm_profile_find(const char *name);

/* Sets `name` to `value`; false when either word is unknown. */
bool ipm_profile_set(
    struct ipm_profile *p, const char *name, const char *value);

/*
 * The word for a value of a switch, or its decimal digits in buf (16 octets)
 * when the switch is a number.
 */
const char *ipm_switch_value_text(enum ipm_switch sw, uint32_t v, char buf[16]);

static inline uint32_t
ipm_sw(const struct ipm_profile *p, enum ipm_switch sw)
{
	return p->value[sw];
}

#endif
