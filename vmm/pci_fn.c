/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function's config space: header, capability lists, masks, and what follows from a write.
 *
 * Registers are three byte arrays: value, which bits the guest writes, which bits it clears by writing one. A write lands there first;
 * then pci_fn_sync() compares what the registers say now with what was in force and acts on the difference.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/pci_priv.h"

#define CMD_WRITABLE \
	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
/* Status bits that record errors. */
#define STATUS_W1C 0xf900
/* Device control: error reporting, relaxed ordering, payload and read request size, no snoop. */
#define DEVCTL_WRITABLE 0x78ff
#define DEVCTL_RESET 0x2810
#define DEVSTA_W1C 0x000f

static void set_wmask(struct pci_fn *fn, unsigned off, unsigned size, u64 mask)
{
	put_le(fn->wmask + off, size, mask);
}

/* PCI Express 5.0 section 7.5.3, version 2, without what only links have. */
static void add_express(struct pci_fn *fn)
{
	const unsigned c = PCI_EXP_CAP;

	pci_cfg_set(fn, c, 1, PCI_CAP_ID_EXP);
	pci_cfg_set(fn, c + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_RC_END << 4);
	pci_cfg_set(fn, c + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER);
	pci_cfg_set(fn, c + PCI_EXP_DEVCTL, 2, DEVCTL_RESET);
	set_wmask(fn, c + PCI_EXP_DEVCTL, 2, DEVCTL_WRITABLE);
	put_le(fn->w1c + c + PCI_EXP_DEVSTA, 2, DEVSTA_W1C);
	pci_cfg_set(fn, c + PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_COMP_TMOUT_DIS);
	set_wmask(fn, c + PCI_EXP_DEVCTL2, 2, PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
}

/* PCI Power Management 1.2: version 3, D0 and D3hot, nothing is lost in D3hot. */
static void add_pm(struct pci_fn *fn)
{
	pci_cfg_set(fn, PCI_PM_CAP, 1, PCI_CAP_ID_PM);
	pci_cfg_set(fn, PCI_PM_CAP + PCI_CAP_LIST_NEXT, 1, PCI_EXP_CAP);
	pci_cfg_set(fn, PCI_PM_CAP + PCI_PM_PMC, 2, 3);
	pci_cfg_set(fn, PCI_PM_CAP + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
	set_wmask(fn, PCI_PM_CAP + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK);
}

int pci_fn_init(struct pci_fn *fn, const struct pci_fn_ops *ops, const struct pci_ids *ids, const char *name)
{
	u8 *space = calloc(4, PCI_CFG_SIZE);

	if (!space)
		return -ENOMEM;
	memset(fn, 0, sizeof(*fn));
	if (pthread_mutex_init(&fn->lock, NULL) != 0) {
		free(space);
		return -ENOMEM;
	}
	fn->ops = ops;
	fn->name = name;
	fn->cfg = space;
	fn->wmask = space + PCI_CFG_SIZE;
	fn->w1c = space + 2 * PCI_CFG_SIZE;
	fn->cfg_reset = space + 3 * PCI_CFG_SIZE;
	fn->next_cap = PCI_CAPS_FIRST;
	fn->last_cap = PCI_EXP_CAP;
	fn->next_ext = PCI_CFG_SPACE_SIZE;
	pci_cfg_set(fn, PCI_VENDOR_ID, 2, ids->vendor);
	pci_cfg_set(fn, PCI_DEVICE_ID, 2, ids->device);
	pci_cfg_set(fn, PCI_CLASS_REVISION, 4, ids->class_rev);
	pci_cfg_set(fn, PCI_SUBSYSTEM_VENDOR_ID, 2, ids->sub_vendor);
	pci_cfg_set(fn, PCI_SUBSYSTEM_ID, 2, ids->sub_device);
	pci_cfg_set(fn, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	pci_cfg_set(fn, PCI_CAPABILITY_LIST, 1, PCI_PM_CAP);
	set_wmask(fn, PCI_COMMAND, 2, CMD_WRITABLE);
	put_le(fn->w1c + PCI_STATUS, 2, STATUS_W1C);
	set_wmask(fn, PCI_CACHE_LINE_SIZE, 1, 0xff);
	set_wmask(fn, PCI_INTERRUPT_LINE, 1, 0xff);
	add_pm(fn);
	add_express(fn);
	return 0;
}

void pci_fn_fini(struct pci_fn *fn)
{
	pci_msix_fini(fn);
	free(fn->cfg);
	fn->cfg = fn->wmask = fn->w1c = fn->cfg_reset = NULL;
	pthread_mutex_destroy(&fn->lock);
}

int pci_add_cap_at(struct pci_fn *fn, u8 id, unsigned off, unsigned len)
{
	unsigned end;

	if (off < fn->next_cap || off >= PCI_PM_CAP || !IS_ALIGNED(off, 4) || len < 2)
		return -EINVAL;
	if (len > PCI_PM_CAP - off)
		return -ENOSPC;
	end = (unsigned)ALIGN_UP(off + len, 4);
	fn->cfg[off] = id;
	fn->cfg[fn->last_cap + PCI_CAP_LIST_NEXT] = (u8)off;
	fn->last_cap = (u16)off;
	fn->next_cap = (u16)end;
	return (int)off;
}

int pci_add_cap(struct pci_fn *fn, u8 id, unsigned len)
{
	if (fn->next_cap >= PCI_PM_CAP)
		return -ENOSPC;
	return pci_add_cap_at(fn, id, fn->next_cap, len);
}

int pci_add_ext_cap(struct pci_fn *fn, u16 id, u8 version, unsigned len)
{
	u16 off = fn->next_ext;

	if (len < 4 || len > PCI_CFG_SIZE || off + len > PCI_CFG_SIZE)
		return -ENOSPC;
	pci_cfg_set(fn, off, 4, id | (u32)(version & 0xf) << 16);
	/* Bits 31:20 of a header are the next one's offset. */
	if (fn->last_ext)
		pci_cfg_set(fn, fn->last_ext + 2U, 2, (get_le(fn->cfg + fn->last_ext + 2, 2) & 0xf) | (u32)off << 4);
	fn->last_ext = off;
	fn->next_ext = (u16)ALIGN_UP(off + len, 4);
	return off;
}

u32 pci_cfg_read_plain(struct pci_fn *fn, unsigned off, unsigned size)
{
	if (size > 4 || off > PCI_CFG_SIZE - size)
		return ~0U;
	return (u32)get_le(fn->cfg + off, size);
}

void pci_cfg_write_plain(struct pci_fn *fn, unsigned off, unsigned size, u32 val)
{
	if (size > 4 || off > PCI_CFG_SIZE - size)
		return;
	for (unsigned i = off; i < off + size; i++, val >>= 8) {
		u8 v = (u8)val;

		fn->cfg[i] = (u8)(((fn->cfg[i] & ~fn->wmask[i]) | (v & fn->wmask[i])) & ~(v & fn->w1c[i]));
	}
}

bool pci_bus_master_on(const struct pci_fn *fn)
{
	return pci_cfg16(fn, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* The wired line of INTA..INTD after the swizzles of PCI Express 5.0 section 2.2.8.1, or -1 without an interrupt pin. */
static int intx_line(const struct pci_fn *fn)
{
	unsigned pin = fn->cfg[PCI_INTERRUPT_PIN];

	if (pin < 1 || pin > 4 || !fn->host)
		return -1;
	pin += fn->devfn >> 3;
	if (fn->parent)
		pin += fn->parent->devfn >> 3;
	return (int)((pin - 1) & 3);
}

static bool intx_asserted(const struct pci_fn *fn)
{
	return (pci_cfg16(fn, PCI_STATUS) & PCI_STATUS_INTERRUPT) && !(pci_cfg16(fn, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);
}

static void intx_follow(struct pci_fn *fn, bool was)
{
	bool is = intx_asserted(fn);
	int line = intx_line(fn);

	if (line >= 0 && is != was)
		pci_host_intx(fn->host, (unsigned)line, is);
}

void pci_intx(struct pci_fn *fn, bool level)
{
	bool was = intx_asserted(fn);
	u16 status = pci_cfg16(fn, PCI_STATUS);

	status = (u16)(level ? status | PCI_STATUS_INTERRUPT : status & ~PCI_STATUS_INTERRUPT);
	pci_cfg_set(fn, PCI_STATUS, 2, status);
	intx_follow(fn, was);
}

static struct pci_fn_before before(const struct pci_fn *fn)
{
	return (struct pci_fn_before){ .cmd = pci_cfg16(fn, PCI_COMMAND), .intx = intx_asserted(fn) };
}

/* Brings everything in line with the registers. True if the bus lost a BAR or a bridge window moved: then others may fit, or no longer fit. */
static bool sync(struct pci_fn *fn, const struct pci_fn_before *b)
{
	bool master = pci_bus_master_on(fn), again = false;

	intx_follow(fn, b->intx);
	pci_msix_sync(fn);
	if (fn->bridge)
		again = pci_bridge_sync(fn);
	again |= pci_bar_drop(fn) > 0;
	pci_bar_place(fn);
	if (master != !!(b->cmd & PCI_COMMAND_MASTER) && fn->ops->bus_master)
		fn->ops->bus_master(fn, master);
	return again;
}

u32 pci_fn_read(struct pci_fn *fn, unsigned off, unsigned size)
{
	return fn->ops->cfg_read ? fn->ops->cfg_read(fn, off, size) : pci_cfg_read_plain(fn, off, size);
}

bool pci_fn_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val)
{
	struct pci_fn_before b = before(fn);

	if (fn->ops->cfg_write)
		fn->ops->cfg_write(fn, off, size, val);
	else
		pci_cfg_write_plain(fn, off, size, val);
	return sync(fn, &b);
}

bool pci_fn_reset(struct pci_fn *fn)
{
	struct pci_fn_before b;

	if (fn->ops->reset)
		fn->ops->reset(fn);
	/* After the device's own part, which may have lowered INTx. */
	b = before(fn);
	memcpy(fn->cfg, fn->cfg_reset, PCI_CFG_SIZE);
	pci_msix_reset(fn);
	return sync(fn, &b);
}
