/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device is given to live on, and the functions that make each one. A device never sees struct vm.
 */
#ifndef NIDUS_DEVICES_H
#define NIDUS_DEVICES_H

#include "vmm/bits.h"

struct bus;
struct console;
struct console_cfg;
struct disk_cfg;
struct dma;
struct event;
struct irq;
struct mem;
struct net_cfg;
struct pci_fn;
struct pci_host;
struct tap;
struct vm_config;

/* Things a guest's device asks of the machine. Any thread; returns at once. */
enum machine_event {
	MACHINE_POWEROFF,
	MACHINE_RESET,      /* code 1: after a panic (warm reset), 0: ordinary */
	MACHINE_PANIC,      /* pvpanic */
	MACHINE_EXIT_CODE,  /* code: the guest's own status byte */
	MACHINE_FAILED,     /* VMM-internal failure: fail closed, stop the VM */
};

struct dev_ctx {
	struct bus *mmio, *pio; /* pio NULL on arm64 */
	struct pci_host *pci;
	struct irq *irq;
	struct event *ev;
	struct mem *mem;        /* only for what needs RAM as a whole (vhost, balloon, IOAS); DMA goes through dma */
	void (*machine)(void *arg, enum machine_event e, u32 code);
	void *machine_arg;
	/* The DMA space of a new function, which outlives it: identity, or with viommu through the vIOMMU. 0 or -errno. */
	int (*dma_for)(const struct dev_ctx *ctx, struct pci_fn *fn, bool viommu, struct dma **dma);
	void *dma_arg;
	struct console *console; /* the host's side of the guest's console; NULL: none */
	bool offline;           /* for show: nothing of the host is opened, no queue ever runs */
	unsigned cpus;          /* vCPUs: how many queues a device offers by default */
};

/* Fixed places on bus 0. */
#define PCI_DEV_VIRTIO 0x01   /* first of the virtio functions, in the order of the configuration */
#define PCI_DEV_ROOT_PORT 0x10 /* first root port, one per assigned function */
#define PCI_DEV_AMDVI 0x1d    /* the AMD unit's PCI function */
#define PCI_DEV_PVPANIC 0x1e  /* 00:1e.0: pvpanic and the guest's exit status */
#define PCI_DEV_IOAPIC 0x1f   /* reserved: the IOAPIC's requester id 00:1f.0 */

/* pvpanic (1b36:0011): vendor-specific capability whose status byte becomes nidus's exit status. */
#define PVPANIC_VENDOR_CAP 0x40
#define PVPANIC_STATUS_BYTE 0x44

/*
 * Each creates a device and plugs it into ctx->pci, which then owns it (pci_host_destroy() ends it). 0, or an exit status (config.h) after one
 * log_error line; nothing is left then. ctx must outlive the device. Before the guest runs.
 */
int pvpanic_create(const struct dev_ctx *ctx) __must_check;
int virtio_blk_create(const struct dev_ctx *ctx, const struct disk_cfg *cfg) __must_check;
int virtio_net_create(const struct dev_ctx *ctx, const struct net_cfg *cfg) __must_check;
/* The same on a tap that is open, which it takes over. */
int virtio_net_create_on(const struct dev_ctx *ctx, const struct net_cfg *cfg, const struct tap *tap) __must_check;
int virtio_rng_create(const struct dev_ctx *ctx) __must_check;
/* By the kernel's vhost-vsock; or where c has vsock_uds, by Unix sockets of the host. */
int virtio_vsock_create(const struct dev_ctx *ctx, const struct vm_config *c) __must_check;
int virtio_balloon_create(const struct dev_ctx *ctx, const struct vm_config *c) __must_check;
/* ctx->console's other end, instead of a serial port. */
int virtio_console_create(const struct dev_ctx *ctx) __must_check;

/* Creates every device of c in the fixed order of devices.c: same place, same guest name at every start. Same result; what was made stays in ctx->pci. */
int devices_create(const struct dev_ctx *ctx, const struct vm_config *c) __must_check;

#endif
