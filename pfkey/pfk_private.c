/* The extension of our own, written and read in one place. */
#include "pfk_private.h"

#include <string.h>

#include "pfk_int.h"

enum {
	AT_FLAGS = 4,
	AT_SEQ = 8,
	AT_ENC = 16,
	AT_AUTH = 40,
	NAME_LEN = 24,
	FLAGS = IPM_SAF_ESN | IPM_SAF_NOECN | IPM_SAF_DECAP_DSCP |
	    IPM_SAF_NOPMTUDISC | IPM_SAF_ALIGN4
};

static void
put_name(uint8_t *p, const struct ipm_alg *alg)
{
	size_t len = alg == NULL ? 0 : strlen(alg->name);

	memset(p, 0, NAME_LEN);
	if (len != 0)
		memcpy(p, alg->name, len < NAME_LEN ? len : NAME_LEN - 1);
}

void
pfk_private_put(uint8_t out[PFK_PRIVATE_LEN], const struct ipm_sa_config *c)
{
	pfk_le_put(out, 2, PFK_PRIVATE_LEN / 8);
	pfk_le_put(out + 2, 2, PFK_PRIVATE_TYPE);
	pfk_le_put(out + AT_FLAGS, 4, c->flags & FLAGS);
	pfk_le_put(out + AT_SEQ, 8, c->last_seq);
	put_name(out + AT_ENC, c->enc);
	put_name(out + AT_AUTH, c->auth);
}

/* An empty name is no algorithm; false: nobody's name. */
static bool
get_name(const uint8_t *p, bool auth, const struct ipm_alg **alg)
{
	*alg = NULL;
	if (p[NAME_LEN - 1] != 0)
		return false;
	if (p[0] == 0)
		return true;
	*alg = ipm_alg_by_name((const char *)p);
	if (*alg == NULL)
		return false;
	if (auth)
		return (*alg)->kind == IPM_ALG_AUTH;
	return (*alg)->kind == IPM_ALG_CIPHER || (*alg)->kind == IPM_ALG_AEAD;
}

bool
pfk_private_get(const uint8_t *p, struct pfk_private *v)
{
	v->flags = (uint32_t)pfk_le(p + AT_FLAGS, 4);
	v->last_seq = pfk_le(p + AT_SEQ, 8);
	return get_name(p + AT_ENC, false, &v->enc) &&
	    get_name(p + AT_AUTH, true, &v->auth) &&
	    (v->flags & ~(uint32_t)FLAGS) == 0 &&
	    ((v->flags & IPM_SAF_ESN) != 0 || v->last_seq <= UINT32_MAX);
}
