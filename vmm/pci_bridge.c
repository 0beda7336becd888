/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI Express root ports: type 1 header, bus numbers and memory windows as the guest programs them, ACS.
 *
 * One function below each port (device 0 of the secondary bus), no slot, no I/O window. The registers are the port's own, under its lock;
 * what routing needs of them is published: the secondary bus number atomically, the windows under the host's lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/pci_priv.h"

/* Source validation, request and completion redirect, upstream forwarding: what makes the function below an isolation group of its own. */
#define ACS_CONTROLS (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)
#define PREF_64 PCI_PREF_RANGE_TYPE_64
#define MSI_CAP_LEN 16
/* Multiple Message Capable is 0: the guest may still write Multiple Message Enable, to no effect. */
#define MSI_CTRL_WRITABLE (PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE)

static struct pci_bridge *to_bridge(const struct pci_fn *fn)
{
	return fn->bridge;
}

struct pci_fn *pci_bridge_child(const struct pci_fn *fn)
{
	return to_bridge(fn)->child;
}

u8 pci_bridge_secondary(const struct pci_fn *fn)
{
	return __atomic_load_n(&to_bridge(fn)->secondary, __ATOMIC_RELAXED);
}

void pci_bridge_set_child(struct pci_fn *fn, struct pci_fn *child)
{
	unsigned sta = PCI_EXP_CAP + PCI_EXP_LNKSTA;

	to_bridge(fn)->child = child;
	pci_cfg_set(fn, sta, 2, pci_cfg16(fn, sta) | PCI_EXP_LNKSTA_DLLLA);
}

void pci_bridge_set_buses(struct pci_fn *fn, u8 secondary, u8 subordinate)
{
	fn->cfg[PCI_SECONDARY_BUS] = secondary;
	fn->cfg[PCI_SUBORDINATE_BUS] = subordinate;
	__atomic_store_n(&to_bridge(fn)->secondary, secondary, __ATOMIC_RELAXED);
}

/* First and last address by their upper 16 bits; 1 and 0 of a closed window. */
static u32 mem_reg(gpa_t base, u64 len)
{
	u64 last = base + len - 1;

	return len ? (u32)((base >> 16 & 0xfff0) | (last & 0xfff00000)) : 0x0000fff0;
}

void pci_bridge_set_mem(struct pci_fn *fn, gpa_t base, u64 len)
{
	pci_cfg_set(fn, PCI_MEMORY_BASE, 4, mem_reg(base, len));
}

void pci_bridge_set_pref(struct pci_fn *fn, gpa_t base, u64 len)
{
	pci_cfg_set(fn, PCI_PREF_MEMORY_BASE, 4, mem_reg(base, len) | PREF_64 | PREF_64 << 16);
	pci_cfg_set(fn, PCI_PREF_BASE_UPPER32, 4, len ? base >> 32 : 0);
	pci_cfg_set(fn, PCI_PREF_LIMIT_UPPER32, 4, len ? (base + len - 1) >> 32 : 0);
}

static struct pci_window window(const struct pci_fn *fn, unsigned base_reg)
{
	return (struct pci_window){
		.base = (u64)(pci_cfg16(fn, base_reg) & 0xfff0) << 16,
		.last = (u64)(pci_cfg16(fn, base_reg + 2) & 0xfff0) << 16 | 0xfffff,
	};
}

void pci_bridge_windows(const struct pci_fn *fn, struct pci_window *mem, struct pci_window *pref)
{
	*mem = window(fn, PCI_MEMORY_BASE);
	*pref = window(fn, PCI_PREF_MEMORY_BASE);
	pref->base |= get_le(fn->cfg + PCI_PREF_BASE_UPPER32, 4) << 32;
	pref->last |= get_le(fn->cfg + PCI_PREF_LIMIT_UPPER32, 4) << 32;
}

static bool same(const struct pci_window *a, const struct pci_window *b)
{
	return a->base == b->base && a->last == b->last;
}

bool pci_bridge_sync(struct pci_fn *fn)
{
	struct pci_bridge *br = to_bridge(fn);
	struct pci_window mem = { .base = 1 }, pref = { .base = 1 };
	u8 secondary = fn->cfg[PCI_SECONDARY_BUS];
	bool changed;

	if (pci_cfg16(fn, PCI_COMMAND) & PCI_COMMAND_MEMORY)
		pci_bridge_windows(fn, &mem, &pref);
	__atomic_store_n(&br->secondary, secondary, __ATOMIC_RELAXED);
	pthread_mutex_lock(&fn->host->lock);
	changed = !same(&mem, &br->mem) || !same(&pref, &br->pref);
	br->mem = mem;
	br->pref = pref;
	pthread_mutex_unlock(&fn->host->lock);
	return changed;
}

static bool contains(const struct pci_window *w, gpa_t gpa, u64 len)
{
	return w->base <= gpa && gpa <= w->last && len - 1 <= w->last - gpa;
}

bool pci_bridge_forwards(const struct pci_fn *fn, gpa_t gpa, u64 len)
{
	struct pci_bridge *br = to_bridge(fn);
	bool yes;

	pthread_mutex_lock(&fn->host->lock);
	yes = contains(&br->mem, gpa, len) || contains(&br->pref, gpa, len);
	pthread_mutex_unlock(&fn->host->lock);
	return yes;
}

/* PCI Express 5.0 section 7.5.1.3. */
static void init_header(struct pci_fn *fn)
{
	fn->cfg[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	put_le(fn->wmask + PCI_PRIMARY_BUS, 4, 0x00ffffff);
	put_le(fn->w1c + PCI_SEC_STATUS, 2, 0xf900);
	put_le(fn->wmask + PCI_MEMORY_BASE, 4, 0xfff0fff0);
	put_le(fn->wmask + PCI_PREF_MEMORY_BASE, 4, 0xfff0fff0);
	put_le(fn->wmask + PCI_PREF_BASE_UPPER32, 8, ~0ULL);
	put_le(fn->wmask + PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR);
	pci_bridge_set_mem(fn, 0, 0);
	pci_bridge_set_pref(fn, 0, 0);
}

/* Sections 7.5.3.2 to 7.5.3.21: a trained link without a slot; no power management events, so the root registers only keep their enables. */
static void init_express(struct pci_fn *fn)
{
	const unsigned c = PCI_EXP_CAP;
	u32 link = PCI_LINK_SPEED | PCI_LINK_WIDTH << 4;

	pci_cfg_set(fn, c + PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ROOT_PORT << 4);
	pci_cfg_set(fn, c + PCI_EXP_LNKCAP, 4, link | PCI_EXP_LNKCAP_DLLLARC | (u32)(fn->devfn >> 3) << 24);
	pci_cfg_set(fn, c + PCI_EXP_LNKSTA, 2, link | PCI_EXP_LNKSTA_SLC);
	put_le(fn->wmask + c + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	/* Presence reads 1 where no slot is implemented. */
	pci_cfg_set(fn, c + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_PDS);
	put_le(fn->wmask + c + PCI_EXP_RTCTL, 2, 0x000f);
	pci_cfg_set(fn, c + PCI_EXP_LNKCAP2, 4, GENMASK(PCI_LINK_SPEED, 1));
	pci_cfg_set(fn, c + PCI_EXP_LNKCTL2, 2, PCI_LINK_SPEED);
	put_le(fn->wmask + c + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS);
}

static int init_caps(struct pci_fn *fn)
{
	int msi = pci_add_cap(fn, PCI_CAP_ID_MSI, MSI_CAP_LEN);
	int acs = pci_add_ext_cap(fn, PCI_EXT_CAP_ID_ACS, 1, 8);

	if (msi < 0 || acs < 0)
		return msi < 0 ? msi : acs;
	/* A root port has an interrupt for its events, of which there are none yet. */
	pci_cfg_set(fn, (unsigned)msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT);
	put_le(fn->wmask + msi + PCI_MSI_FLAGS, 2, MSI_CTRL_WRITABLE);
	put_le(fn->wmask + msi + PCI_MSI_ADDRESS_LO, 8, ~3ULL);
	put_le(fn->wmask + msi + PCI_MSI_DATA_64, 2, 0xffff);
	pci_cfg_set(fn, (unsigned)acs + PCI_ACS_CAP, 2, ACS_CONTROLS);
	put_le(fn->wmask + acs + PCI_ACS_CTRL, 2, ACS_CONTROLS);
	return 0;
}

static void destroy(struct pci_fn *fn)
{
	struct pci_bridge *br = to_bridge(fn);

	pci_fn_fini(fn);
	free(br);
}

static const struct pci_fn_ops ops = { .destroy = destroy };

int pci_root_port_create(struct pci_host *h, unsigned dev, struct pci_fn **out)
{
	static const struct pci_ids ids = { .vendor = 0x1b36, .device = 0x000c, .class_rev = 0x060400 << 8 };
	struct pci_bridge *br = calloc(1, sizeof(*br));
	int err;

	if (!br)
		return -ENOMEM;
	snprintf(br->name, sizeof(br->name), "root port %02x.0", dev & 0xff);
	err = pci_fn_init(&br->fn, &ops, &ids, br->name);
	if (err)
		goto free_bridge;
	br->fn.bridge = br;
	br->fn.devfn = PCI_DEVFN(dev, 0);
	br->mem = br->pref = (struct pci_window){ .base = 1 };
	init_header(&br->fn);
	init_express(&br->fn);
	err = init_caps(&br->fn);
	if (!err)
		err = dev < 32 ? pci_plug(h, NULL, PCI_DEVFN(dev, 0), &br->fn) : -EINVAL;
	if (err)
		goto fini_fn;
	*out = &br->fn;
	return 0;
fini_fn:
	pci_fn_fini(&br->fn);
free_bridge:
	free(br);
	return err;
}
