/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What backend_iommufd.c shares with the parts that differ by the host's IOMMU: how a guest's table becomes a nested HWPT, and an invalidation
 * a host call. Intel's is in backend_iommufd.c itself, AMD's in backend_iommufd_amd.c.
 */
#ifndef NIDUS_BACKEND_IOMMUFD_PRIV_H
#define NIDUS_BACKEND_IOMMUFD_PRIV_H

#include "devices/viommu/backend_iommufd.h"
#include "vmm/vfio.h"

/* Entries of one host call. */
#define NESTED_RUN 64

struct s1_dev {
	struct s1_dev *next;
	struct vfio_dev *d;
	const struct pci_fn *fn;
	u32 hwpt; /* the nested table in force, 0: none */
	u32 tag;
	u32 vdev; /* AMD: its vDEVICE, 0: not made yet */
	u16 virt_id;
};

struct nested;

struct nested_kind {
	/* What hardware like hw can do. */
	void (*caps)(const struct iommufd_hw *hw, struct s1_caps *caps);
	/* Makes the nested HWPT for cfg, which is S1_TABLE, and attaches it. On failure no new object is left. 0 or -errno. */
	int (*table)(struct nested *b, struct s1_dev *s, const struct s1_config *cfg, u32 *hwpt);
	/* Carries out at most NESTED_RUN invalidations; *calls is raised by the host calls. 0 or -errno. */
	int (*inv)(struct nested *b, const struct s1_inv *invs, unsigned n, unsigned *calls);
	/* What belongs to the device, or to the unit, beside nested tables. The device is detached. May be NULL. */
	void (*dev_fini)(struct nested *b, struct s1_dev *s);
	void (*fini)(struct nested *b);
	/* A table in force is detached and destroyed before anything takes its place. */
	bool detach_first;
};

struct nested {
	const struct nested_kind *kind;
	struct iommufd *f;
	struct s1_caps caps;
	struct s1_dev *devs; /* fixed once the guest runs */
	u32 viommu;          /* AMD: the host's object for the unit, 0: not made yet */
};

extern const struct nested_kind nested_amd;

/* True if s has a table in force that v is about. */
bool nested_concerns(const struct s1_dev *s, const struct s1_inv *v);

#endif
