/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Config space of an assigned function. The guest sees a copy that nidus keeps: identity, BARs, and those capabilities of the real
 * one that are on a list, at their real offsets. What the guest writes lands in the copy; vfio_pass says which bits reach the device:
 * nothing else does. Memory space stays enabled in the device and it stays in D0, so that no guest can make a mapped BAR fault under
 * a running vCPU; both are kept up for the guest by the copy alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/vfio_priv.h"

/* Of the command register: bus mastering, parity and system error reporting. */
#define COMMAND_PASSED (PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR)
/* Of device control: ordering and snooping. Payload and read request sizes belong to the host's fabric, error reporting to the host. */
#define DEVCTL_PASSED (PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN)
#define DEVCTL_WRITABLE 0x7fff
#define LINK_SPEED_32GT 5
#define LINK_WIDTH 16
#define EXP_LEN_V2 0x3c
#define EXP_LEN_V1 0x14
/* Without masks, which are not shown. */
#define MSI_LEN_32 10
#define MSI_LEN_64 14
#define MAX_CAPS 48

static ssize_t hw_read(const struct vfio_dev *d, unsigned off, void *buf, size_t len)
{
	ssize_t n = pread(d->fd, buf, len, (off_t)(d->cfg_off + off));

	return n < 0 ? -errno : n;
}

/* --- building the copy --- */

static void show(struct vfio_dev *d, const u8 *hw, unsigned off, unsigned len)
{
	memcpy(d->fn.cfg + off, hw + off, MIN(len, PCI_CFG_SIZE - off));
}

static void set_writable(struct vfio_dev *d, unsigned off, unsigned size, u64 mask)
{
	put_le(d->fn.wmask + off, size, mask);
}

static bool show_pm(struct vfio_dev *d, const u8 *hw, unsigned at)
{
	show(d, hw, at, 4);
	/* Power management events have no way up; D0 and D3hot, and nothing is lost between them. */
	pci_cfg_set(&d->fn, at + PCI_PM_PMC, 2, get_le(hw + at + PCI_PM_PMC, 2) & PCI_PM_CAP_VER_MASK);
	pci_cfg_set(&d->fn, at + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
	set_writable(d, at + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK);
	return true;
}

/* PCI Local Bus 3.0 section 6.8.1, without per-vector masks. */
static bool show_msi(struct vfio_dev *d, const u8 *hw, unsigned at)
{
	u16 flags = (u16)get_le(hw + at + PCI_MSI_FLAGS, 2);
	unsigned multi = (unsigned)FIELD_GET(PCI_MSI_FLAGS_QMASK, flags);
	bool is64 = flags & PCI_MSI_FLAGS_64BIT;

	if (!d->irq_count[VFIO_IRQ_MSI] || d->msi_cap)
		return false;
	while (multi && (multi > 5 || 1U << multi > d->irq_count[VFIO_IRQ_MSI]))
		multi--;
	d->fn.cfg[at] = PCI_CAP_ID_MSI;
	pci_cfg_set(&d->fn, at + PCI_MSI_FLAGS, 2, multi << 1 | (is64 ? PCI_MSI_FLAGS_64BIT : 0));
	set_writable(d, at + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	set_writable(d, at + PCI_MSI_ADDRESS_LO, is64 ? 8 : 4, ~3ULL);
	set_writable(d, at + (is64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2, 0xffff);
	d->msi_cap = (u16)at;
	return true;
}

static bool msix_fits(const struct vfio_dev *d, unsigned bar, u64 off, u64 len)
{
	return bar < PCI_BARS && range_within(off, len, 0, d->fn.bar[bar].size);
}

/* The table and pending bits are emulated by the PCI layer. A device that lies about their place has no MSI-X. */
static bool show_msix(struct vfio_dev *d, const u8 *hw, unsigned at)
{
	unsigned n = (unsigned)(get_le(hw + at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
	u32 table = (u32)get_le(hw + at + PCI_MSIX_TABLE, 4), pba = (u32)get_le(hw + at + PCI_MSIX_PBA, 4);
	struct pci_msix *m = &d->fn.msix;

	if (m->n || d->irq_count[VFIO_IRQ_MSIX] < n ||
	    !msix_fits(d, table & PCI_MSIX_TABLE_BIR, table & PCI_MSIX_TABLE_OFFSET, 16ULL * n) ||
	    !msix_fits(d, pba & PCI_MSIX_PBA_BIR, pba & PCI_MSIX_PBA_OFFSET, 8ULL * ((n + 63) / 64))) {
		log_warn("%s: its MSI-X table cannot be emulated: the guest gets MSI or INTx", d->name);
		return false;
	}
	m->e = calloc(n, sizeof(*m->e));
	m->pending = calloc((n + 63) / 64, sizeof(*m->pending));
	if (!m->e || !m->pending)
		return false;
	for (unsigned i = 0; i < n; i++)
		m->e[i].masked = true;
	m->n = n;
	m->bar = table & PCI_MSIX_TABLE_BIR;
	m->pba_bar = pba & PCI_MSIX_PBA_BIR;
	m->table_off = table & PCI_MSIX_TABLE_OFFSET;
	m->pba_off = pba & PCI_MSIX_PBA_OFFSET;
	m->cap = (u16)at;
	show(d, hw, at, PCI_CAP_MSIX_SIZEOF);
	pci_cfg_set(&d->fn, at + PCI_MSIX_FLAGS, 2, n - 1);
	set_writable(d, at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	return true;
}

/* PCI Express 5.0 section 7.5.3. Whatever the device is on the host, for the guest it is an endpoint below a root port. */
static bool show_express(struct vfio_dev *d, const u8 *hw, unsigned at)
{
	unsigned version = hw[at + PCI_EXP_FLAGS] & PCI_EXP_FLAGS_VERS;
	unsigned type = (unsigned)FIELD_GET(PCI_EXP_FLAGS_TYPE, get_le(hw + at + PCI_EXP_FLAGS, 2));
	u32 link = LINK_SPEED_32GT | LINK_WIDTH << 4, cap = (u32)get_le(hw + at + PCI_EXP_DEVCAP, 4);
	u16 ctl = (u16)get_le(hw + at + PCI_EXP_DEVCTL, 2) & DEVCTL_WRITABLE;

	if (d->exp_cap)
		return false;
	d->fn.cfg[at] = PCI_CAP_ID_EXP;
	pci_cfg_set(&d->fn, at + PCI_EXP_FLAGS, 2, version | PCI_EXP_TYPE_ENDPOINT << 4);
	pci_cfg_set(&d->fn, at + PCI_EXP_DEVCAP, 4, d->can_reset ? cap : cap & ~(u32)PCI_EXP_DEVCAP_FLR);
	pci_cfg_set(&d->fn, at + PCI_EXP_DEVCTL, 2, ctl);
	set_writable(d, at + PCI_EXP_DEVCTL, 2, DEVCTL_WRITABLE);
	/* Before it resets the function, a driver waits until nothing is under way. */
	put_le(d->live + at + PCI_EXP_DEVSTA, 2, PCI_EXP_DEVSTA_TRPND);
	if (type == PCI_EXP_TYPE_ENDPOINT || type == PCI_EXP_TYPE_LEG_END) {
		u32 real = (u32)get_le(hw + at + PCI_EXP_LNKCAP, 4) & (PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW);

		link = real ? real : link;
	}
	pci_cfg_set(&d->fn, at + PCI_EXP_LNKCAP, 4, link);
	set_writable(d, at + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	pci_cfg_set(&d->fn, at + PCI_EXP_LNKSTA, 2, link | PCI_EXP_LNKSTA_SLC);
	if (version >= 2) {
		pci_cfg_set(&d->fn, at + PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_COMP_TMOUT_DIS);
		set_writable(d, at + PCI_EXP_DEVCTL2, 2, PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
		pci_cfg_set(&d->fn, at + PCI_EXP_LNKCAP2, 4, GENMASK(MAX(link & PCI_EXP_LNKCAP_SLS, 1U), 1));
		pci_cfg_set(&d->fn, at + PCI_EXP_LNKCTL2, 2, link & PCI_EXP_LNKCAP_SLS);
		set_writable(d, at + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS);
	}
	d->exp_cap = (u16)at;
	d->pass[VFIO_PASS_DEVCTL] = (struct vfio_pass){
		.off = (u16)(at + PCI_EXP_DEVCTL), .mask = DEVCTL_PASSED, .fixed = ctl & (u16)~DEVCTL_PASSED,
	};
	return true;
}

/* Device-specific data: read from the device each time, never written. Byte 2 is the length. */
static bool show_vendor(struct vfio_dev *d, const u8 *hw, unsigned at)
{
	show(d, hw, at, hw[at + 2]);
	memset(d->live + at + 2, 0xff, hw[at + 2] - 2U);
	return true;
}

static bool show_subsystem(struct vfio_dev *d, const u8 *hw, unsigned at)
{
	show(d, hw, at, 8);
	return true;
}

/* The capabilities that a guest may see; the others are left out of the list. show: false: left out after all. */
static const struct {
	u8 id;
	unsigned len; /* 0: the capability says */
	bool (*show)(struct vfio_dev *d, const u8 *hw, unsigned at);
} std_caps[] = {
	{ PCI_CAP_ID_PM, PCI_PM_SIZEOF, show_pm },
	{ PCI_CAP_ID_MSI, 0, show_msi },
	{ PCI_CAP_ID_VNDR, 0, show_vendor },
	{ PCI_CAP_ID_SSVID, 8, show_subsystem },
	{ PCI_CAP_ID_EXP, 0, show_express },
	{ PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF, show_msix },
};

/* Marks [at, at + len); false if it is not within space bytes or shares one with a capability that is shown already. */
static bool take(u8 *used, unsigned at, unsigned len, unsigned space)
{
	if (at + len > space || memchr(used + at, 1, len))
		return false;
	memset(used + at, 1, len);
	return true;
}

static bool show_std_cap(struct vfio_dev *d, const u8 *hw, u8 *used, unsigned at)
{
	for (unsigned i = 0; i < ARRAY_SIZE(std_caps); i++) {
		unsigned len = std_caps[i].len;

		if (std_caps[i].id != hw[at])
			continue;
		if (hw[at] == PCI_CAP_ID_VNDR)
			len = hw[at + 2];
		else if (hw[at] == PCI_CAP_ID_EXP)
			len = (hw[at + PCI_EXP_FLAGS] & PCI_EXP_FLAGS_VERS) >= 2 ? EXP_LEN_V2 : EXP_LEN_V1;
		else if (hw[at] == PCI_CAP_ID_MSI)
			len = hw[at + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_64BIT ? MSI_LEN_64 : MSI_LEN_32;
		return len > 2 && take(used, at, len, PCI_CFG_SPACE_SIZE) && std_caps[i].show(d, hw, at);
	}
	return false;
}

static void show_std_caps(struct vfio_dev *d, const u8 *hw, u8 *used)
{
	u8 *link = d->fn.cfg + PCI_CAPABILITY_LIST;
	unsigned at = hw[PCI_CAPABILITY_LIST] & 0xfc;

	if (!(get_le(hw + PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		at = 0;
	for (unsigned i = 0; at >= PCI_STD_HEADER_SIZEOF && i < MAX_CAPS; i++) {
		if (show_std_cap(d, hw, used, at)) {
			*link = (u8)at;
			link = d->fn.cfg + at + PCI_CAP_LIST_NEXT;
		}
		at = hw[at + PCI_CAP_LIST_NEXT] & 0xfc;
	}
	*link = 0;
	pci_cfg_set(&d->fn, PCI_STATUS, 2, d->fn.cfg[PCI_CAPABILITY_LIST] ? PCI_STATUS_CAP_LIST : 0);
}

/* Extended: serial number, and vendor-specific ones to be read. PASID, ATS, PRI, SR-IOV, ARI, resizable BARs and AER stay the host's. */
static unsigned ext_len(const u8 *hw, unsigned at)
{
	switch (get_le(hw + at, 2)) {
	case PCI_EXT_CAP_ID_DSN:
		return PCI_EXT_CAP_DSN_SIZEOF;
	case PCI_EXT_CAP_ID_VNDR:
	case PCI_EXT_CAP_ID_DVSEC:
		return (unsigned)(get_le(hw + at + 4, 4) >> 20);
	default:
		return 0;
	}
}

static void show_ext_caps(struct vfio_dev *d, const u8 *hw, u8 *used)
{
	unsigned at = PCI_CFG_SPACE_SIZE, last = PCI_CFG_SPACE_SIZE;
	u8 *cfg = d->fn.cfg;

	for (unsigned i = 0; at >= PCI_CFG_SPACE_SIZE && at <= PCI_CFG_SIZE - 8 && i < MAX_CAPS; i++) {
		unsigned len = ext_len(hw, at);

		if (len >= 8 && take(used, at, len, PCI_CFG_SIZE)) {
			show(d, hw, at, len);
			memset(d->live + at + 4, 0xff, len - 4);
			/* The list begins at 0x100: an entry that is not shown there becomes a null capability with a link. */
			pci_cfg_set(&d->fn, at + 2, 2, get_le(hw + at + 2, 2) & 0xf);
			if (at != last)
				pci_cfg_set(&d->fn, last + 2, 2, (get_le(cfg + last + 2, 2) & 0xf) | at << 4);
			last = at;
		}
		at = (unsigned)(get_le(hw + at, 4) >> 20) & 0xffc;
	}
}

static void show_header(struct vfio_dev *d, const u8 *hw)
{
	struct pci_fn *fn = &d->fn;

	show(d, hw, PCI_VENDOR_ID, 4);
	show(d, hw, PCI_CLASS_REVISION, 4);
	show(d, hw, PCI_SUBSYSTEM_VENDOR_ID, 4);
	fn->cfg[PCI_INTERRUPT_PIN] = d->irq_count[VFIO_IRQ_INTX] && hw[PCI_INTERRUPT_PIN] <= 4 ? hw[PCI_INTERRUPT_PIN] : 0;
	d->pass[VFIO_PASS_COMMAND] = (struct vfio_pass){ .off = PCI_COMMAND, .mask = COMMAND_PASSED, .fixed = PCI_COMMAND_MEMORY };
}

int vfio_cfg_init(struct vfio_dev *d)
{
	struct pci_fn *fn = &d->fn;
	u8 *hw = calloc(2, PCI_CFG_SIZE); /* the second half: which bytes belong to a capability that is shown */
	ssize_t n;

	d->live = calloc(1, PCI_CFG_SIZE);
	if (!hw || !d->live) {
		free(hw);
		return -ENOMEM;
	}
	n = hw_read(d, 0, hw, d->cfg_size);
	/* Conventional functions have 256 bytes. */
	if (n < PCI_CFG_SPACE_SIZE) {
		free(hw);
		return n < 0 ? (int)n : -EIO;
	}
	/* What pci_fn_init() put there gives way to the real list. */
	memset(fn->cfg + PCI_STD_HEADER_SIZEOF, 0, PCI_CFG_SIZE - PCI_STD_HEADER_SIZEOF);
	memset(fn->wmask + PCI_STD_HEADER_SIZEOF, 0, PCI_CFG_SIZE - PCI_STD_HEADER_SIZEOF);
	memset(fn->w1c + PCI_STD_HEADER_SIZEOF, 0, PCI_CFG_SIZE - PCI_STD_HEADER_SIZEOF);
	show_header(d, hw);
	show_std_caps(d, hw, hw + PCI_CFG_SIZE);
	if (n > PCI_CFG_SPACE_SIZE)
		show_ext_caps(d, hw, hw + PCI_CFG_SIZE);
	n = (hw[PCI_HEADER_TYPE] & 0x7f) == PCI_HEADER_TYPE_NORMAL ? 0 : -ENODEV;
	free(hw);
	return (int)n;
}

void vfio_cfg_fini(struct vfio_dev *d)
{
	free(d->live);
	d->live = NULL;
}

/* --- accesses --- */

u32 vfio_cfg_read(struct pci_fn *fn, unsigned off, unsigned size)
{
	struct vfio_dev *d = vfio_dev_of(fn);
	u32 mask = (u32)get_le(d->live + off, size), val = pci_cfg_read_plain(fn, off, size);
	u8 buf[4];

	if (!mask)
		return val;
	/* A device that is gone reads all ones. */
	if (hw_read(d, off, buf, size) != (ssize_t)size)
		memset(buf, 0xff, sizeof(buf));
	return (val & ~mask) | ((u32)get_le(buf, size) & mask);
}

static int write_pass(struct vfio_dev *d, struct vfio_pass *p, u16 want)
{
	u8 buf[2];

	put_le(buf, 2, want);
	p->known = pwrite(d->fd, buf, 2, (off_t)(d->cfg_off + p->off)) == 2;
	p->hw = want;
	if (!p->known)
		log_guest("%s: config register 0x%x cannot be written: %s", d->name, p->off, strerror(errno));
	return p->known ? 0 : -EIO;
}

static int push(struct vfio_dev *d, struct vfio_pass *p, u16 want)
{
	bool command = p->off == PCI_COMMAND;
	int err;

	if (command && __atomic_load_n(&d->cut, __ATOMIC_SEQ_CST))
		want &= (u16)~PCI_COMMAND_MASTER;
	if (p->known && p->hw == want)
		return 0;
	err = write_pass(d, p, want);
	/* vfio_cut() takes no lock: if it came in between, its write may have been undone by this one. */
	if (command && (want & PCI_COMMAND_MASTER) && __atomic_load_n(&d->cut, __ATOMIC_SEQ_CST))
		err = write_pass(d, p, want & (u16)~PCI_COMMAND_MASTER);
	return err;
}

void vfio_cfg_push(struct vfio_dev *d)
{
	for (unsigned i = 0; i < VFIO_PASSES; i++) {
		struct vfio_pass *p = &d->pass[i];

		if (p->mask)
			(void)push(d, p, (u16)((pci_cfg_read_plain(&d->fn, p->off, 2) & p->mask) | p->fixed));
	}
}

int vfio_cfg_quiet(struct vfio_dev *d)
{
	struct vfio_pass *p = &d->pass[VFIO_PASS_COMMAND];

	/* Written in any case: it is not only the guest that may have changed it. */
	*p = (struct vfio_pass){ .off = PCI_COMMAND, .mask = COMMAND_PASSED, .fixed = PCI_COMMAND_MEMORY };
	return push(d, p, p->fixed);
}

/* A function level reset ordered by the guest: registers as after power-on but BARs, which drivers restore, and the links. */
static void reset_by_guest(struct vfio_dev *d)
{
	struct pci_fn *fn = &d->fn;
	int err;

	vfio_irq_stop(d);
	err = vfio_dev_reset(d);
	if (err)
		log_guest("%s: reset failed: %s", d->name, strerror(-err));
	/* A unit works on queues of its own locks, so not from here. */
	event_bell_ring(&d->reset_done);
	pci_cfg_set(fn, PCI_COMMAND, 2, 0);
	if (d->msi_cap)
		pci_cfg_set(fn, d->msi_cap + PCI_MSI_FLAGS, 1, fn->cfg[d->msi_cap + PCI_MSI_FLAGS] & ~(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE));
	if (fn->msix.n)
		pci_cfg_set(fn, fn->msix.cap + PCI_MSIX_FLAGS, 2, fn->msix.n - 1);
	pci_cfg_set(fn, d->exp_cap + PCI_EXP_DEVCTL, 2, d->pass[VFIO_PASS_DEVCTL].fixed);
}

void vfio_cfg_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val)
{
	struct vfio_dev *d = vfio_dev_of(fn);
	unsigned flr = d->exp_cap + PCI_EXP_DEVCTL + 1U;
	bool wants_flr = d->exp_cap && off <= flr && flr < off + size && (val >> (8 * (flr - off)) & (PCI_EXP_DEVCTL_BCR_FLR >> 8));

	pci_cfg_write_plain(fn, off, size, val);
	if (wants_flr && (get_le(fn->cfg + d->exp_cap + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR))
		reset_by_guest(d);
	vfio_cfg_push(d);
	vfio_irq_sync(d);
}
