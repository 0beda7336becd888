/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that scribbles: config, BAR and interrupt accesses over two root ports with a function each, and two functions on bus 0. Input is a
 * row of 12-byte steps: kind, size, 2 bytes of address, 8 of value. After every step no two regions of the bus overlap (bus_add() sees to it)
 * and each BAR's region is where the function thinks it is; at the end a reset brings everything back.
 */
#include "tests/unit/pci_rig.h"

#define STEP 12
#define MAX_STEPS 512

static const u16 sids[] = { 0x0008, 0x0010, 0x0080, 0x0088, 0x0100, 0x0200, 0x0000, 0x0700 };
static const u64 bases[] = { 0xc0000000, 0xc0100000, 0xc0200000, 0xdffff000, 0x180000000, 0x180100000, 0xbffffff8, 0xe0000000 };

static void check(struct pci_fn *fn, void *arg)
{
	struct rig_dev *d = fn->ops == &rig_ops ? rig_dev(fn) : NULL;

	for (unsigned i = 0; d && i < PCI_BARS; i++) {
		if (fn->bar[i].mapped != d->mapped[i] || (d->mapped[i] && (d->gpa[i] != fn->bar[i].gpa || !IS_ALIGNED(d->gpa[i], fn->bar[i].size))))
			abort();
	}
}

static void step(struct rig *r, struct rig_dev *const *dev, const u8 *p)
{
	unsigned kind = p[0] >> 5, which = p[0] & 7, size = (p[1] & 7) + 1;
	u64 off = get_le(p + 2, 2), val = get_le(p + 4, 8), got;

	switch (kind) {
	case 0:
	case 1:
		rig_wr(r, sids[which], off & 0xfff, size, val);
		break;
	case 2:
		rig_rd(r, sids[which], off & 0xfff, size);
		break;
	case 3:
		bus_write(&r->bus, bases[which] + off, size, val);
		break;
	case 4:
		bus_read(&r->bus, bases[which] + off, size, &got);
		if (got & ~size_mask(size))
			abort();
		break;
	case 5:
		bus_write(&r->bus, RIG_ECAM + (val & 0xfffffff), size, val >> 28);
		break;
	case 6:
		pci_msix_raise(&dev[which & 3]->fn, (unsigned)off);
		break;
	case 7:
		pci_intx(&dev[which & 3]->fn, off & 1);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pci_fn *port[2];
	struct rig_dev *dev[4];
	struct rig r;

	rig_init(&r);
	if (r.failed || pci_root_port_create(r.host, 0x10, &port[0]) || pci_root_port_create(r.host, 0x11, &port[1]))
		abort();
	for (unsigned i = 0; i < 4; i++) {
		dev[i] = rig_plug(&r, i < 2 ? NULL : port[i - 2], i + 1);
		dev[i]->fn.cfg[PCI_INTERRUPT_PIN] = (u8)(i + 1);
	}
	if (pci_assign(r.host))
		abort();
	for (unsigned i = 0; i < MAX_STEPS && (i + 1) * STEP <= size; i++) {
		step(&r, dev, data + i * STEP);
		pci_for_each(r.host, check, NULL);
	}
	pci_host_reset(r.host);
	for (unsigned i = 0; i < 4; i++)
		pci_intx(&dev[i]->fn, false);
	for (unsigned i = 0; i < 4; i++) {
		if (r.host->intx_users[i] || r.line[rig_map.intx_line[i]])
			abort();
	}
	if (r.bus.n != 1 || rig_rd(&r, 0x0100, 0, 4) != 0x56781234)
		abort();
	rig_fini(&r);
	return 0;
}
