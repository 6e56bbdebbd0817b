#ifndef IPM_ERRNO_H
#define IPM_ERRNO_H

/* FreeBSD's errno values that the data path answers with or decides by
 * (sys/errno.h); never the host's. */
enum {
	IPM_EIO = 5,
	IPM_ENXIO = 6,
	IPM_EACCES = 13,
	IPM_EINVAL = 22,
	IPM_EMSGSIZE = 40,
	IPM_EADDRNOTAVAIL = 49,
	IPM_ENETUNREACH = 51,
	IPM_ENOBUFS = 55,
	IPM_EHOSTUNREACH = 65
};

#endif
