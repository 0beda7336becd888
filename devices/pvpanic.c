/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvpanic-pci (QEMU docs/specs/pvpanic): how a guest kernel says that it panicked; and the byte by which a guest gives nidus's exit status.
 *
 * BAR 0, byte 0: reads the events known here, a write of one is the event. The status byte is in a vendor-specific capability, so that
 * user space of any stock kernel can write it through config space without a driver.
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/devices.h"
#include "vmm/config.h"
#include "vmm/log.h"
#include "vmm/pci.h"

#define CAP_VENDOR 0x09
#define CAP_LEN 8
#define BAR_SIZE 4096

#define EVENT_PANICKED 0x01
#define EVENT_CRASH_LOADED 0x02 /* a crash kernel takes over: the guest goes on */

#define STATUS_MAX 63

struct pvpanic {
	struct pci_fn fn; /* first member */
	const struct dev_ctx *ctx;
};

static void bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val)
{
	*val = off == 0 ? EVENT_PANICKED | EVENT_CRASH_LOADED : 0;
}

static void bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val)
{
	const struct dev_ctx *ctx = ((struct pvpanic *)fn)->ctx;

	if (off != 0)
		return;
	if (val & EVENT_PANICKED)
		ctx->machine(ctx->machine_arg, MACHINE_PANIC, 0);
	else if (val & EVENT_CRASH_LOADED)
		log_guest("the guest panicked and its crash kernel takes over");
}

static void cfg_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val)
{
	const struct dev_ctx *ctx = ((struct pvpanic *)fn)->ctx;
	u8 status;

	pci_cfg_write_plain(fn, off, size, val);
	if (PVPANIC_STATUS_BYTE < off || PVPANIC_STATUS_BYTE >= off + size)
		return;
	status = (u8)(val >> (8 * (PVPANIC_STATUS_BYTE - off)));
	if (status >= 1 && status <= STATUS_MAX)
		ctx->machine(ctx->machine_arg, MACHINE_EXIT_CODE, status);
	else
		log_guest("the guest gave exit status %u: only 1 to %u are its own", status, STATUS_MAX);
}

static void destroy(struct pci_fn *fn)
{
	pci_fn_fini(fn);
	free(fn);
}

static const struct pci_fn_ops ops = { .bar_read = bar_read, .bar_write = bar_write, .cfg_write = cfg_write, .destroy = destroy };

int pvpanic_create(const struct dev_ctx *ctx)
{
	static const struct pci_ids ids = { .vendor = 0x1b36, .device = 0x0011, .sub_vendor = 0x1af4, .sub_device = 0x1100, .class_rev = 0x088000 << 8 | 1 };
	struct pvpanic *p = calloc(1, sizeof(*p));
	int err = p ? pci_fn_init(&p->fn, &ops, &ids, "pvpanic") : -ENOMEM;

	if (err)
		goto free_dev;
	p->ctx = ctx;
	err = pci_add_cap_at(&p->fn, CAP_VENDOR, PVPANIC_VENDOR_CAP, CAP_LEN);
	if (err < 0)
		goto fini_fn;
	pci_cfg_set(&p->fn, PVPANIC_VENDOR_CAP + 2, 1, CAP_LEN);
	err = pci_add_bar(&p->fn, 0, BAR_SIZE, false, false);
	if (!err)
		err = pci_plug(ctx->pci, NULL, PCI_DEVFN(PCI_DEV_PVPANIC, 0), &p->fn);
	if (err)
		goto fini_fn;
	return 0;
fini_fn:
	pci_fn_fini(&p->fn);
free_dev:
	free(p);
	log_error("pvpanic: the device cannot be created: %s", strerror(-err));
	return EXIT_HOST;
}
