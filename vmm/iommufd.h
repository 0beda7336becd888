/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/iommu by typed calls. One struct per VM; it knows every object that it made, so that nothing is left behind.
 *
 * Results are 0 or -errno. Thread: any; a lock protects the object table only.
 * An object can be destroyed once nothing uses it: devices detached, nested tables before their parent, those before the IOAS.
 */
#ifndef NIDUS_IOMMUFD_H
#define NIDUS_IOMMUFD_H

#include <pthread.h>

#include "vmm/abi_iommufd.h"
#include "vmm/mem.h"

#define IOMMUFD_MAX_OBJECTS 256
#define IOMMUFD_NODE "/dev/iommu"

struct iommufd {
	int fd; /* -1: closed */
	pthread_mutex_t lock;
	struct { u32 id; const char *kind; } live[IOMMUFD_MAX_OBJECTS];
	unsigned n_live;
	u64 calls, maps; /* atomic: host calls so far, and those of them that map */
};

/* Opens IOMMUFD_NODE, or takes a copy of inherited if that is not -1. */
int iommufd_open(struct iommufd *f, int inherited) __must_check;
/* Destroys what is left, newest first, and says so at debug level. Nothing on a struct that is not open. */
void iommufd_close(struct iommufd *f);

/* An empty address space; ended by iommufd_destroy(), as all objects here. */
int iommufd_ioas_alloc(struct iommufd *f, u32 *ioas) __must_check;
/*
 * Maps every RAM slot at its guest address, readable and writable: by file where the kernel can, else by address. RAM is pinned from here
 * on (mem_pin()). On failure the caller drops the IOAS.
 */
int iommufd_map_ram(struct iommufd *f, u32 ioas, struct mem *m) __must_check;

/*
 * Maps len bytes of a dma-buf from its start, readable and writable, at *iova if fixed, else where the kernel finds place; *iova is where. The
 * kernel's word otherwise: -EINVAL or -ENOTTY from one that knows no dma-bufs.
 */
int iommufd_map_dmabuf(struct iommufd *f, u32 ioas, int fd, u64 len, bool fixed, u64 *iova) __must_check;
/* Exactly what was mapped there. */
int iommufd_unmap(struct iommufd *f, u32 ioas, u64 iova, u64 len) __must_check;

/* What the host's IOMMU in front of a device can do. type: IOMMUFD_HW_*; vtd and amd are zero for other types. */
struct iommufd_hw {
	u32 type;
	u64 capabilities;
	struct iommufd_hw_vtd vtd;
	struct iommufd_hw_amd amd;
};
/* dev_id: of a device that is bound. */
int iommufd_hw_info(struct iommufd *f, u32 dev_id, struct iommufd_hw *out) __must_check;

/* Bit i of those that matter for nesting, in order; false: there is no such bit, or none is known of this type of IOMMU. */
struct iommufd_bit {
	const char *name; /* as the specification writes it: ECAP.NEST */
	bool set, need;   /* need: nesting takes it; else it is used where it is there */
};
bool iommufd_hw_bit(const struct iommufd_hw *hw, unsigned i, struct iommufd_bit *out);

/*
 * What the host's IOMMU lacks for a guest's first-stage tables to be nested, in words; NULL: nothing. On AMD the kernel may still not let user space
 * do it: iommufd_amd_probe().
 */
const char *iommufd_cannot_nest(const struct iommufd_hw *hw);

/* A second stage over the IOAS on which first-stage tables can be nested. */
int iommufd_parent_alloc(struct iommufd *f, u32 dev_id, u32 ioas, u32 *hwpt) __must_check;
/* The guest's first-stage table at s1->pgtbl_addr, nested on parent. */
int iommufd_vtd_s1_alloc(struct iommufd *f, u32 dev_id, u32 parent, const struct iommufd_vtd_s1 *s1, u32 *hwpt) __must_check;
/* Carries out n invalidations of one nested table. *done counts those that are complete, also on failure. */
int iommufd_vtd_s1_inv(struct iommufd *f, u32 hwpt, const struct iommufd_vtd_s1_inv *inv, unsigned n, unsigned *done) __must_check;

/* --- AMD --- */

/* The host's side of a unit, over the nest parent, on the IOMMU of dev_id; and a device's place behind it. type: IOMMUFD_VIOMMU_*. */
int iommufd_viommu_alloc(struct iommufd *f, u32 type, u32 dev_id, u32 parent, u32 *viommu) __must_check;
int iommufd_vdevice_alloc(struct iommufd *f, u32 viommu, u32 dev_id, u64 virt_id, u32 *vdevice) __must_check;
/* A nested table by a guest's device table entry. */
int iommufd_amd_s1_alloc(struct iommufd *f, u32 dev_id, u32 viommu, const u64 dte[4], u32 *hwpt) __must_check;
/* Carries out n commands; all of them, or an error. n may be 0: is there such a call at all? */
int iommufd_amd_invalidate(struct iommufd *f, u32 viommu, const struct iommufd_amd_inv *inv, unsigned n, unsigned *done) __must_check;

/*
 * Tries on a bound device what the AMD unit needs of the kernel, and leaves nothing: NULL, or what the kernel lacks, in words. *err is what
 * it said then. ioas may be empty.
 */
const char *iommufd_amd_probe(struct iommufd *f, u32 dev_id, u32 ioas, int *err);

/* -EBUSY: still in use. The object stays in the table if the call fails. */
int iommufd_destroy(struct iommufd *f, u32 id) __must_check;

#endif
