/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions of the host as sysfs tells of them. sys is where sysfs is mounted, HOST_SYS but in tests. Nothing is cached. Results are
 * 0 or -errno; thread: any.
 */
#ifndef NIDUS_HOST_PCI_H
#define NIDUS_HOST_PCI_H

#include <stdio.h>

#include "vmm/bits.h"

#define HOST_SYS "/sys"
#define HOST_BDF_LEN 13 /* dddd:bb:dd.f and its end */
#define HOST_NAME_LEN 64
#define HOST_GROUP_MAX 32

/* "[dddd:]bb:dd.f" -> dddd:bb:dd.f in lower case. -EINVAL for anything else. */
int host_pci_parse(const char *s, char bdf[HOST_BDF_LEN]) __must_check;

/* Whether sysfs has the function; bdf as host_pci_parse() gives it. */
bool host_pci_exists(const char *sys, const char *bdf);

struct host_pci {
	char bdf[HOST_BDF_LEN];
	u16 vendor, device;
	u32 class;                  /* 24 bits */
	char driver[HOST_NAME_LEN]; /* "": none */
	int group;                  /* IOMMU group, -1: no IOMMU in front of it */
	char iommu[HOST_NAME_LEN];  /* of the unit, e.g. dmar0; "": none */
	char cdev[HOST_NAME_LEN];   /* vfioN; "": not bound to vfio-pci, or a kernel without device files */
};
/* -ENOENT: no such function. What sysfs does not tell stays empty. */
int host_pci_read(const char *sys, const char *bdf, struct host_pci *out) __must_check;

/* The functions of a group, in sysfs's order: how many there are, at most max are filled in. */
int host_pci_group(const char *sys, int group, char (*bdf)[HOST_BDF_LEN], unsigned max) __must_check;

/* True if a member with this driver and class lets another member be assigned: no driver, vfio-pci, or a bridge. */
bool host_pci_harmless(const struct host_pci *p);

/* True if the open descriptor fd is the device file cdev (vfioN), by its device number: names may be anything elsewhere. */
bool host_pci_is_cdev(const char *sys, int fd, const char *cdev);

/* VT-d capability registers of a unit, from sysfs: what is known before a device is bound. -ENOENT: not VT-d. */
int host_pci_vtd_caps(const char *sys, const char *iommu, u64 *cap, u64 *ecap) __must_check;
/* The same of an AMD unit: its feature registers. -ENOENT: not AMD's. */
int host_pci_amd_efr(const char *sys, const char *iommu, u64 *efr, u64 *efr2) __must_check;

/* Size in bytes of each BAR, the option ROM last, and its resource flags as in sysfs's `resource` file. */
#define HOST_PCI_BARS 7
struct host_pci_bar {
	u64 size;
	bool is64, prefetch, io;
};
int host_pci_bars(const char *sys, const char *bdf, struct host_pci_bar bar[HOST_PCI_BARS]) __must_check;

/* True if the kernel has this driver of PCI functions, loaded or built in. */
bool host_pci_has_driver(const char *sys, const char *name);

/* Writes text into the file NAME of a function, or of bus/pci itself if bdf is NULL. */
int host_pci_write(const char *sys, const char *bdf, const char *name, const char *text) __must_check;

#endif
