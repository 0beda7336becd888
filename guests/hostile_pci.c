/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 -d $DISK
// expect: 0
/* Configuration space of every function scribbled over at every width, BARs moved onto everything; at the end all is put back and works. */
#include "devices/devices.h"
#include "guests/lib/virtio.h"

#define MSIX_CAP 0x11

static u32 saved[256][16];

/* The exit status byte would end the test. */
static bool harmless(u16 bdf, unsigned off, unsigned size)
{
	return bdf != PCI_DEV_PVPANIC << 3 || off + size <= PVPANIC_STATUS_BYTE || off > PVPANIC_STATUS_BYTE;
}

static void save(u16 bdf)
{
	for (unsigned i = 0; i < 16; i++)
		saved[bdf][i] = pci_read(bdf, 4 * i, 4);
}

static void restore(u16 bdf)
{
	pci_write(bdf, 4, 2, 0);
	for (unsigned i = 3; i < 16; i++)
		pci_write(bdf, 4 * i, 4, saved[bdf][i]);
	pci_write(bdf, 4, 2, saved[bdf][1]);
	if (pci_cap(bdf, MSIX_CAP, 0))
		pci_msix_enable(bdf, false);
	for (unsigned i = 0; i < 16; i++) {
		/* The status half has bits that stay or clear on write. */
		if (i != 1)
			CHECK(pci_read(bdf, 4 * i, 4) == saved[bdf][i], "function %x register %x: %x is not %x", (u64)bdf, (u64)4 * i,
			      (u64)pci_read(bdf, 4 * i, 4), (u64)saved[bdf][i]);
	}
}

static void scribble(u16 bdf)
{
	static const u32 vals[] = { ~0U, 0x5aa5c33c };

	for (unsigned i = 0; i < ARRAY_SIZE(vals); i++) {
		for (unsigned off = 0; off < PAGE; off += off < 0x100 ? 1 : off < 0x180 ? 4 : 60) {
			for (unsigned size = 1; size <= 8; size *= 2) {
				if (off + size > PAGE || !harmless(bdf, off, size))
					continue;
				if (i == 0)
					mmio_read(pci_addr(bdf, off), size);
				mmio_write(pci_addr(bdf, off), size, vals[i]);
			}
		}
		tick_check("configuration space");
	}
	restore(bdf);
}

static void move_bars(u16 bdf)
{
	static const u64 places[] = {
		0, 0x1000, X86_KERNEL_BASE, 0x200000, MiB(64) - 4096, X86_LOW_RAM_END, X86_ECAM_BASE, X86_ECAM_BASE + X86_ECAM_LEN - 4096, X86_VIOMMU_BASE,
		X86_IOAPIC_BASE, X86_LAPIC_BASE, X86_IDENTITY_MAP_ADDR, 0xfffff000, GiB(4), BIT(46), BIT(52), ~0xfffULL,
	};
	static volatile u64 mark;

	for (unsigned bar = 0; bar < 6; bar++) {
		for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
			mark = places[i] ^ bar;
			pci_write(bdf, 4, 2, i & 1 ? 0x406 : 0x400);
			pci_write(bdf, 0x10 + 4 * bar, 4, (u32)places[i]);
			if (bar < 5)
				pci_write(bdf, 0x14 + 4 * bar, 4, (u32)(places[i] >> 32));
			pci_write(bdf, 4, 2, 0x406);
			mmio_read(X86_KERNEL_BASE, 4);
			if (places[i] >= X86_LOW_RAM_END && places[i] < GiB(4) && places[i] != X86_LAPIC_BASE)
				mmio_write(places[i] + 0x800, 4, 0xffffffff);
			CHECK(mark == (places[i] ^ bar), "a BAR hides RAM");
		}
		tick_check("BAR moves");
		restore(bdf);
	}
}

/* All BARs of all functions at one place, then sized all at once, then back. */
static void pile_up(void)
{
	for (u16 f = pci_next(0); f != 0xffff; f = pci_next(f + 1)) {
		/* A write to the pvpanic registers would be a panic. */
		if (f == PCI_DEV_PVPANIC << 3)
			continue;
		for (unsigned bar = 0; bar < 6; bar++)
			pci_write(f, 0x10 + 4 * bar, 4, bar & 1 ? 0 : 0xd0000000);
		pci_write(f, 4, 2, 0x406);
		for (unsigned off = 0; off < 0x6000; off += 0x1004)
			mmio_write(0xd0000000 + off, 4, ~0U);
	}
	for (u16 f = pci_next(0); f != 0xffff; f = pci_next(f + 1)) {
		for (unsigned bar = 0; bar < 6; bar++)
			pci_write(f, 0x10 + 4 * bar, 4, ~0U);
	}
	tick_check("BARs on top of each other");
	for (u16 f = pci_next(0); f != 0xffff; f = pci_next(f + 1))
		restore(f);
}

static void msix(u16 bdf)
{
	unsigned n, cap = pci_cap(bdf, MSIX_CAP, 0);
	u64 table = pci_msix_table(bdf, &n);

	if (!table)
		return;
	for (unsigned round = 0; round < 4; round++) {
		pci_write(bdf, cap + 2, 2, round & 1 ? 0x8000 : 0xc000);
		for (unsigned off = 0; off < 16 * n && off < 64; off++) {
			for (unsigned size = 1; size <= 8; size *= 2)
				mmio_write(table + off, size, round < 3 ? rnd() & ~0xfffULL : 0);
		}
		for (unsigned off = 0; off < 64; off += 4)
			mmio_write(pci_msix_pba(bdf) + off, 4, ~0U);
	}
	pci_msix_enable(bdf, false);
	tick_check("MSI-X");
}

/* Functions and buses that do not exist. */
static void nobody(void)
{
	for (unsigned i = 0; i < 500; i++) {
		u16 bdf = (u16)(rnd() | 0x0800);

		pci_write(bdf, rnd() & 0xffc, 4, (u32)rnd());
		CHECK(pci_read(bdf, 0, 4) == ~0U, "function %x exists", (u64)bdf);
	}
	tick_check("functions that do not exist");
}

void guest_main(void)
{
	struct vdev v;

	tick_start();
	CHECK(virtio_find(VIRTIO_BLK, &v), "no disk");
	virtio_prove(&v, "start");
	for (u16 f = pci_next(0); f != 0xffff; f = pci_next(f + 1))
		save(f);
	for (u16 f = pci_next(0); f != 0xffff; f = pci_next(f + 1)) {
		scribble(f);
		move_bars(f);
		msix(f);
	}
	pile_up();
	nobody();
	CHECK(virtio_find(VIRTIO_BLK, &v), "no disk any more");
	virtio_prove(&v, "everything");
}
