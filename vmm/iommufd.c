/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/iommufd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "vmm/log.h"

/* VT-d CAP and ECAP (Intel VT-d 4.1 sections 11.4.2 and 11.4.3). */
#define CAP_FS1GP BIT(56)
#define ECAP_SC BIT(7)
#define ECAP_NEST BIT(26)
#define ECAP_SRS BIT(31)
#define ECAP_SMTS BIT(43)
#define ECAP_FSTS BIT(47)
#define ECAP_SMPWC BIT(48)

/* AMD EFR and EFR2. */
#define EFR_GTSUP BIT(4)
#define EFR_GIOSUP BIT(48)
#define EFR2_GCR3TRPMODE BIT(3)

/* What nesting takes, and what a unit in front of the device passes on. */
static const struct {
	const char *name, *what;
	u64 cap, ecap; /* one of them */
	bool need;
} vtd_bits[] = {
	{ "ECAP.SMTS", "scalable mode (ECAP.SMTS)", 0, ECAP_SMTS, true },
	{ "ECAP.FSTS", "first-stage translation (ECAP.FSTS)", 0, ECAP_FSTS, true },
	{ "ECAP.NEST", "nested translation (ECAP.NEST)", 0, ECAP_NEST, true },
	{ "ECAP.SMPWC", "coherent table walks (ECAP.SMPWC)", 0, ECAP_SMPWC, false },
	{ "ECAP.SC", "snoop control (ECAP.SC)", 0, ECAP_SC, false },
	{ "ECAP.SRS", "supervisor requests (ECAP.SRS)", 0, ECAP_SRS, false },
	{ "CAP.FS1GP", "1 GiB first-stage pages (CAP.FS1GP)", CAP_FS1GP, 0, false },
};

static const struct {
	const char *name, *what;
	u64 efr, efr2; /* one of them */
} amd_bits[] = {
	{ "EFR.GTSup", "guest translation (EFR.GTSup)", EFR_GTSUP, 0 },
	{ "EFR.GIOSup", "guest translation without PASID (EFR.GIOSup)", EFR_GIOSUP, 0 },
	{ "EFR2.GCR3TRPMode", "GCR3 tables in guest memory (EFR2.GCR3TRPMode)", 0, EFR2_GCR3TRPMODE },
};

static int call(struct iommufd *f, unsigned long req, void *arg)
{
	int r;

	__atomic_fetch_add(&f->calls, 1, __ATOMIC_RELAXED);
	if (req == IOMMUFD_IOAS_MAP || req == IOMMUFD_IOAS_MAP_FILE)
		__atomic_fetch_add(&f->maps, 1, __ATOMIC_RELAXED);
	do
		r = ioctl(f->fd, req, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int iommufd_open(struct iommufd *f, int inherited)
{
	int fd = inherited >= 0 ? fcntl(inherited, F_DUPFD_CLOEXEC, 3) : open(IOMMUFD_NODE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*f = (struct iommufd){ .fd = fd };
	pthread_mutex_init(&f->lock, NULL);
	return 0;
}

/* --- the table of live objects --- */

/* Reserves the place before the object exists: one that cannot be remembered is never made. */
static int make(struct iommufd *f, unsigned long req, void *arg, const u32 *out_id, const char *kind)
{
	int err = -ENOSPC;

	pthread_mutex_lock(&f->lock);
	if (f->n_live < IOMMUFD_MAX_OBJECTS)
		err = call(f, req, arg);
	if (!err) {
		f->live[f->n_live].id = *out_id;
		f->live[f->n_live++].kind = kind;
	}
	pthread_mutex_unlock(&f->lock);
	return err;
}

int iommufd_destroy(struct iommufd *f, u32 id)
{
	struct iommufd_destroy d = { .size = sizeof(d), .id = id };
	int err;

	pthread_mutex_lock(&f->lock);
	err = call(f, IOMMUFD_DESTROY, &d);
	for (unsigned i = 0; !err && i < f->n_live; i++) {
		if (f->live[i].id != id)
			continue;
		/* Order is kept: iommufd_close() goes backwards. */
		memmove(&f->live[i], &f->live[i + 1], (f->n_live - i - 1) * sizeof(f->live[0]));
		f->n_live--;
		break;
	}
	pthread_mutex_unlock(&f->lock);
	return err;
}

void iommufd_close(struct iommufd *f)
{
	if (f->fd < 0)
		return;
	while (f->n_live) {
		unsigned last = f->n_live - 1;
		const char *kind = f->live[last].kind;
		u32 id = f->live[last].id;
		int err = iommufd_destroy(f, id);

		log_debug("iommufd: %s %u was left over: %s", kind, id, err ? strerror(-err) : "destroyed");
		/* Closing the descriptor ends what could not be destroyed. */
		f->n_live = last;
	}
	close(f->fd);
	f->fd = -1;
	pthread_mutex_destroy(&f->lock);
}

/* --- typed calls --- */

int iommufd_ioas_alloc(struct iommufd *f, u32 *ioas)
{
	struct iommufd_ioas_alloc a = { .size = sizeof(a) };
	int err = make(f, IOMMUFD_IOAS_ALLOC, &a, &a.out_id, "IOAS");

	if (!err)
		*ioas = a.out_id;
	return err;
}

static int map_slot(struct iommufd *f, u32 ioas, int fd, const struct mem_slot *s)
{
	const u32 flags = IOMMUFD_MAP_FIXED | IOMMUFD_MAP_WRITE | IOMMUFD_MAP_READ;
	struct iommufd_ioas_map_file mf = {
		.size = sizeof(mf), .flags = flags, .ioas_id = ioas, .fd = fd, .start = s->fd_offset, .length = s->len, .iova = s->gpa,
	};
	struct iommufd_ioas_map m = {
		.size = sizeof(m), .flags = flags, .ioas_id = ioas, .user_va = (uintptr_t)s->hva, .length = s->len, .iova = s->gpa,
	};
	int err = fd < 0 ? -ENOTTY : call(f, IOMMUFD_IOAS_MAP_FILE, &mf);

	/* RAM may be no file, and Linux before 6.14 does not have the call, or not for this kind of file. */
	if (err == -ENOTTY || err == -EOPNOTSUPP || err == -EINVAL)
		err = call(f, IOMMUFD_IOAS_MAP, &m);
	return err;
}

int iommufd_map_ram(struct iommufd *f, u32 ioas, struct mem *m)
{
	const struct mem_slot *s;
	unsigned n = mem_slots(m, &s);

	mem_pin(m);
	/* The highest first: AMD's host tables grow once, and not under a nested table. */
	for (unsigned i = n; i-- > 0;) {
		int err = map_slot(f, ioas, mem_fd(m), &s[i]);

		if (err)
			return err;
	}
	return 0;
}

int iommufd_map_dmabuf(struct iommufd *f, u32 ioas, int fd, u64 len, bool fixed, u64 *iova)
{
	struct iommufd_ioas_map_file m = {
		.size = sizeof(m), .flags = IOMMUFD_MAP_WRITE | IOMMUFD_MAP_READ | (fixed ? IOMMUFD_MAP_FIXED : 0),
		.ioas_id = ioas, .fd = fd, .length = len, .iova = fixed ? *iova : 0,
	};
	int err = call(f, IOMMUFD_IOAS_MAP_FILE, &m);

	if (!err)
		*iova = m.iova;
	return err;
}

int iommufd_unmap(struct iommufd *f, u32 ioas, u64 iova, u64 len)
{
	struct iommufd_ioas_unmap u = { .size = sizeof(u), .ioas_id = ioas, .iova = iova, .length = len };

	return call(f, IOMMUFD_IOAS_UNMAP, &u);
}

int iommufd_hw_info(struct iommufd *f, u32 dev_id, struct iommufd_hw *out)
{
	/* The kernel writes zeros behind what it knows; a type with more data than this is not one of ours. */
	union {
		struct iommufd_hw_vtd vtd;
		struct iommufd_hw_amd amd;
	} data = { 0 };
	struct iommufd_hw_info h = { .size = sizeof(h), .dev_id = dev_id, .data_len = sizeof(data), .data_uptr = (uintptr_t)&data };
	int err = call(f, IOMMUFD_GET_HW_INFO, &h);

	if (err)
		return err;
	*out = (struct iommufd_hw){ .type = h.out_data_type, .capabilities = h.out_capabilities };
	if (h.out_data_type == IOMMUFD_HW_VTD)
		out->vtd = data.vtd;
	if (h.out_data_type == IOMMUFD_HW_AMD)
		out->amd = data.amd;
	return 0;
}

bool iommufd_hw_bit(const struct iommufd_hw *hw, unsigned i, struct iommufd_bit *out)
{
	if (hw->type == IOMMUFD_HW_AMD && i < ARRAY_SIZE(amd_bits)) {
		*out = (struct iommufd_bit){
			.name = amd_bits[i].name, .set = (hw->amd.efr & amd_bits[i].efr) || (hw->amd.efr2 & amd_bits[i].efr2), .need = true,
		};
		return true;
	}
	if (hw->type != IOMMUFD_HW_VTD || i >= ARRAY_SIZE(vtd_bits))
		return false;
	*out = (struct iommufd_bit){
		.name = vtd_bits[i].name, .set = (hw->vtd.cap & vtd_bits[i].cap) || (hw->vtd.ecap & vtd_bits[i].ecap), .need = vtd_bits[i].need,
	};
	return true;
}

const char *iommufd_cannot_nest(const struct iommufd_hw *hw)
{
	struct iommufd_bit bit;

	if (hw->type != IOMMUFD_HW_VTD && hw->type != IOMMUFD_HW_AMD)
		return "an interface for it in this kernel (it is not Intel VT-d in scalable mode)";
	for (unsigned i = 0; iommufd_hw_bit(hw, i, &bit); i++) {
		if (bit.need && !bit.set)
			return hw->type == IOMMUFD_HW_AMD ? amd_bits[i].what : vtd_bits[i].what;
	}
	/* The device's own TLB would hold translations that nobody takes back. */
	if (hw->type == IOMMUFD_HW_AMD && !(hw->capabilities & IOMMUFD_CAP_NO_ATS))
		return "a way to keep the device from caching translations itself: boot the host with pci=noats; it lacks nothing else";
	return NULL;
}

int iommufd_parent_alloc(struct iommufd *f, u32 dev_id, u32 ioas, u32 *hwpt)
{
	struct iommufd_hwpt_alloc a = { .size = sizeof(a), .flags = IOMMUFD_HWPT_NEST_PARENT, .dev_id = dev_id, .pt_id = ioas };
	int err = make(f, IOMMUFD_HWPT_ALLOC, &a, &a.out_id, "nest parent");

	if (!err)
		*hwpt = a.out_id;
	return err;
}

int iommufd_vtd_s1_alloc(struct iommufd *f, u32 dev_id, u32 parent, const struct iommufd_vtd_s1 *s1, u32 *hwpt)
{
	struct iommufd_hwpt_alloc a = {
		.size = sizeof(a), .dev_id = dev_id, .pt_id = parent,
		.data_type = IOMMUFD_HWPT_DATA_VTD_S1, .data_len = sizeof(*s1), .data_uptr = (uintptr_t)s1,
	};
	int err = make(f, IOMMUFD_HWPT_ALLOC, &a, &a.out_id, "nested table");

	if (!err)
		*hwpt = a.out_id;
	return err;
}

int iommufd_vtd_s1_inv(struct iommufd *f, u32 hwpt, const struct iommufd_vtd_s1_inv *inv, unsigned n, unsigned *done)
{
	struct iommufd_invalidate v = {
		.size = sizeof(v), .hwpt_id = hwpt, .data_uptr = (uintptr_t)inv,
		.data_type = IOMMUFD_INV_VTD_S1, .entry_len = sizeof(*inv), .entry_num = n,
	};
	int err = call(f, IOMMUFD_HWPT_INVALIDATE, &v);

	*done = MIN(v.entry_num, n);
	return err ? err : *done < n ? -EIO : 0;
}

/* --- AMD --- */

int iommufd_viommu_alloc(struct iommufd *f, u32 type, u32 dev_id, u32 parent, u32 *viommu)
{
	struct iommufd_viommu_alloc a = { .size = sizeof(a), .type = type, .dev_id = dev_id, .hwpt_id = parent };
	int err = make(f, IOMMUFD_VIOMMU_ALLOC, &a, &a.out_id, "vIOMMU");

	if (!err)
		*viommu = a.out_id;
	return err;
}

int iommufd_vdevice_alloc(struct iommufd *f, u32 viommu, u32 dev_id, u64 virt_id, u32 *vdevice)
{
	struct iommufd_vdevice_alloc a = { .size = sizeof(a), .viommu_id = viommu, .dev_id = dev_id, .virt_id = virt_id };
	int err = make(f, IOMMUFD_VDEVICE_ALLOC, &a, &a.out_id, "vDEVICE");

	if (!err)
		*vdevice = a.out_id;
	return err;
}

int iommufd_amd_s1_alloc(struct iommufd *f, u32 dev_id, u32 viommu, const u64 dte[4], u32 *hwpt)
{
	struct iommufd_amd_guest g = { { dte[0], dte[1], dte[2], dte[3] } };
	struct iommufd_hwpt_alloc a = {
		.size = sizeof(a), .dev_id = dev_id, .pt_id = viommu,
		.data_type = IOMMUFD_HWPT_DATA_AMD_GUEST, .data_len = sizeof(g), .data_uptr = (uintptr_t)&g,
	};
	int err = make(f, IOMMUFD_HWPT_ALLOC, &a, &a.out_id, "nested table");

	if (!err)
		*hwpt = a.out_id;
	return err;
}

int iommufd_amd_invalidate(struct iommufd *f, u32 viommu, const struct iommufd_amd_inv *inv, unsigned n, unsigned *done)
{
	struct iommufd_invalidate v = {
		.size = sizeof(v), .hwpt_id = viommu, .data_uptr = n ? (uintptr_t)inv : 0,
		.data_type = IOMMUFD_INV_AMD, .entry_len = sizeof(*inv), .entry_num = n,
	};
	int err = call(f, IOMMUFD_HWPT_INVALIDATE, &v);

	*done = MIN(v.entry_num, n);
	return err ? err : *done < n ? -EIO : 0;
}

/* V, TV, GV, GIOV, IR, IW, and a GCR3 table at 4 KiB: never attached, so what is there does not matter. */
static const u64 probe_dte[4] = { BIT(0) | BIT(1) | BIT(54) | BIT(55) | BIT(61) | BIT(62) | BIT(58), 1 };

const char *iommufd_amd_probe(struct iommufd *f, u32 dev_id, u32 ioas, int *err)
{
	const char *what = "nest parents (NEST_PARENT)";
	u32 parent, viommu, hwpt;
	unsigned done;

	*err = iommufd_parent_alloc(f, dev_id, ioas, &parent);
	if (*err)
		return what;
	what = "IOMMU objects for guests (VIOMMU_ALLOC)";
	*err = iommufd_viommu_alloc(f, IOMMUFD_VIOMMU_AMD, dev_id, parent, &viommu);
	if (*err)
		goto free_parent;
	what = "nested AMD tables (HWPT_ALLOC)";
	*err = iommufd_amd_s1_alloc(f, dev_id, viommu, probe_dte, &hwpt);
	if (*err)
		goto free_viommu;
	/* Without it a guest could take a page back, and the device would still reach it. */
	what = "invalidation of nested AMD tables (HWPT_INVALIDATE)";
	*err = iommufd_amd_invalidate(f, viommu, NULL, 0, &done);
	(void)!iommufd_destroy(f, hwpt);
free_viommu:
	(void)!iommufd_destroy(f, viommu);
free_parent:
	(void)!iommufd_destroy(f, parent);
	return *err ? what : NULL;
}
