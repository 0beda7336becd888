/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the vfio*.c files share.
 */
#ifndef NIDUS_VFIO_PRIV_H
#define NIDUS_VFIO_PRIV_H

#include <linux/pci_regs.h>

#include "devices/devices.h"
#include "vmm/abi_vfio.h"
#include "vmm/event.h"
#include "vmm/host_pci.h"
#include "vmm/vfio.h"

#define VFIO_AREAS 8

/* A part of a BAR that the guest reaches directly. */
struct vfio_area {
	u64 off, len;
	void *hva; /* NULL: could not be mapped, so it is trapped */
	bool shown; /* in guest memory */
	bool peer;  /* in the address space of assigned devices */
};

struct vfio_region {
	u64 size, off; /* off: in the device file */
	u32 flags;
	struct vfio_area area[VFIO_AREAS];
	unsigned n_areas;
};

enum vfio_irq_mode { VFIO_MODE_NONE, VFIO_MODE_INTX, VFIO_MODE_MSI, VFIO_MODE_MSIX };

/* A 16-bit register of which some bits follow the guest's. */
struct vfio_pass {
	u16 off, mask;
	u16 fixed; /* bits outside the mask */
	u16 hw;    /* what was written last */
	bool known; /* hw is valid */
};
#define VFIO_PASSES 2
enum { VFIO_PASS_COMMAND, VFIO_PASS_DEVCTL };

struct vfio_dev {
	struct pci_fn fn;
	struct vfio *v;
	const struct dev_ctx *ctx;
	char bdf[HOST_BDF_LEN];
	char name[HOST_NAME_LEN]; /* the id, or the BDF */
	char iommu[HOST_NAME_LEN];
	int fd;
	/* Held over a change of what its DMA undergoes and over a reset; taken after fn.lock and a unit's locks. */
	pthread_mutex_t dma;
	bool in_kvm, bound, attached, plugged;
	bool viommu, viommu_asked; /* behind a unit; and the user said so */
	bool can_reset;
	bool p2p;
	bool cut; /* atomic: bus mastering stays off */
	u32 id;
	u32 parent;
	struct iommufd_hw hw;
	struct event_bell reset_done; /* of the unit in front of it */

	struct vfio_region bar[PCI_BARS];
	struct vfio_region rom;
	u8 *rom_copy; /* rom.size bytes; NULL until the guest first reads it */
	u64 cfg_off;
	unsigned cfg_size; /* 256 or 4096 */
	u8 *live; /* PCI_CFG_SIZE: bits that are read from the device each time */
	u16 msi_cap, exp_cap;
	struct vfio_pass pass[VFIO_PASSES];

	enum vfio_irq_mode mode;
	u32 irq_count[VFIO_IRQS];
	bool noresize; /* MSI-X vectors cannot be added one by one */
	struct irq_vec *vec;
	bool *wired;   /* vec[i]'s eventfd is known to VFIO */
	unsigned n_vec;
	bool intx_asserted;
	struct event_bell intx, err, req; /* rung by the kernel */
};

struct vfio {
	struct iommufd iommufd;
	int kvm_fd;
	u32 ioas;
	struct vfio_dev *dev[CONFIG_MAX_VFIO];
	unsigned n;
	u64 attaches; /* atomic */
};

/* 0 or -errno, and the value that the kernel returned or -errno; EINTR is retried. */
int vfio_ioctl(const struct vfio_dev *d, unsigned long req, void *arg);
int vfio_ioctl_val(const struct vfio_dev *d, unsigned long req, void *arg);

/* --- vfio_cfg.c; fn->lock held once the guest runs --- */

/* Mirrors the real config space into fn: after the BARs were added and fn was plugged. 0 or -errno. */
int vfio_cfg_init(struct vfio_dev *d) __must_check;
void vfio_cfg_fini(struct vfio_dev *d);
u32 vfio_cfg_read(struct pci_fn *fn, unsigned off, unsigned size);
void vfio_cfg_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val);
/* Writes to the device what the guest's registers say now, as far as it is passed down. */
void vfio_cfg_push(struct vfio_dev *d);
/* Memory space on, bus mastering off, whatever the guest's registers say. 0 or -errno. */
int vfio_cfg_quiet(struct vfio_dev *d);

/* --- vfio_bar.c --- */

/* Asks for the regions and adds the BARs to fn; msix tells which pages stay trapped. 0 or -errno. */
int vfio_bars_init(struct vfio_dev *d) __must_check;
/* Maps what can be reached directly; after vfio_cfg_init(). Never fails: what cannot be mapped is trapped. */
void vfio_bars_map(struct vfio_dev *d);
void vfio_bars_fini(struct vfio_dev *d);
void vfio_bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val);
void vfio_bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val);
void vfio_bar_mapped(struct pci_fn *fn, unsigned bar, gpa_t gpa, bool mapped);

/* --- vfio_p2p.c; all do nothing without p2p=on; fn->lock held once the guest runs --- */

/* After vfio_bars_map(): switches p2p off, with one warning, where the host cannot do it. */
void vfio_p2p_init(struct vfio_dev *d);
/* The area of a BAR became visible at gpa, or is about to vanish from it. */
void vfio_p2p_map(struct vfio_dev *d, unsigned bar, struct vfio_area *x, gpa_t gpa);
void vfio_p2p_unmap(struct vfio_dev *d, unsigned bar, struct vfio_area *x, gpa_t gpa);

/* --- vfio_irq.c; fn->lock held once the guest runs --- */

/* Asks what there is, makes the eventfds for INTx, errors and requests. 0 or -errno. */
int vfio_irq_init(struct vfio_dev *d) __must_check;
void vfio_irq_fini(struct vfio_dev *d);
/* Everything off in the device, vectors freed. */
void vfio_irq_stop(struct vfio_dev *d);
/* Follows what config space says: none, INTx, MSI or MSI-X, and MSI's message. */
void vfio_irq_sync(struct vfio_dev *d);
/* pci_fn_ops.msix_changed */
void vfio_msix_changed(struct pci_fn *fn, int vec);
void vfio_irq_eoi(struct vfio_dev *d, u32 line);

/* --- vfio.c --- */

/*
 * vfio_nest.c: asks what the IOMMU and the kernel can do for a unit of that kind (VIOMMU_AUTO: of the IOMMU's own kind). What cannot be ends the
 * start-up: EXIT_HOST after one log_error line; but for AMD, where no released kernel can, a device nobody asked it for stays outside (d->viommu)
 * after one warning.
 */
int vfio_check_nesting(struct vfio_dev *d, enum viommu_kind kind) __must_check;

/* Resets the hardware. 0 or -errno. */
int vfio_dev_reset(struct vfio_dev *d);

static inline struct vfio_dev *vfio_dev_of(struct pci_fn *fn)
{
	return CONTAINER_OF(fn, struct vfio_dev, fn);
}

#endif
