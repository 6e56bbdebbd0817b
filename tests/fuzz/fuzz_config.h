#ifndef FUZZ_CONFIG_H
#define FUZZ_CONFIG_H

/* What holds of every answer a configuration reader gives. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "hx_salist.h"

/* An error is one printable line that begins with the file's name. */
static inline void
check_error(const struct hx_err *err, const char *file)
{
	must(strncmp(err->text, file, strlen(file)) == 0);
	must(memchr(err->text, '\0', sizeof(err->text)) != NULL);
	for (const char *p = err->text; *p != '\0'; p++)
		must(*p >= 0x20 && *p < 0x7f);
}

/* What is configured could be configured again, and nothing twice. */
static inline void
check_sas(const struct hx_sa *sas, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct ipm_sa_config *c = &sas[i].cfg;
		enum hx_sa_part part;
		char buf[200];

		must(hx_sa_refusal(c, buf, sizeof(buf), &part) == NULL);
		for (size_t k = 0; k < i && i < 100; k++)
			must(sas[k].cfg.proto != c->proto ||
			    sas[k].cfg.spi != c->spi ||
			    !ipm_addr_equal(&sas[k].cfg.dst, &c->dst));
	}
}

#endif
