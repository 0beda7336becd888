/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/guest.h"

#define CAP_MSIX 0x11
#define MSIX_ENABLE 0x8000

u64 pci_addr(u16 bdf, unsigned off)
{
	return X86_ECAM_BASE + ((u64)bdf << 12) + off;
}

u32 pci_read(u16 bdf, unsigned off, unsigned size)
{
	return (u32)mmio_read(pci_addr(bdf, off), size);
}

void pci_write(u16 bdf, unsigned off, unsigned size, u32 val)
{
	mmio_write(pci_addr(bdf, off), size, val);
}

u16 pci_next(u16 bdf)
{
	for (; bdf < 0x100; bdf++) {
		if (pci_read(bdf, 0, 2) != 0xffff)
			return bdf;
	}
	return 0xffff;
}

u16 pci_find(u16 vendor, u16 device)
{
	u16 bdf;

	for (bdf = pci_next(0); bdf != 0xffff; bdf = pci_next(bdf + 1)) {
		if (pci_read(bdf, 0, 4) == ((u32)device << 16 | vendor))
			break;
	}
	return bdf;
}

unsigned pci_cap(u16 bdf, u8 id, unsigned from)
{
	unsigned at = pci_read(bdf, from ? from + 1 : 0x34, 1) & 0xfc;

	for (unsigned i = 0; at && i < 48; i++) {
		if (pci_read(bdf, at, 1) == id)
			return at;
		at = pci_read(bdf, at + 1, 1) & 0xfc;
	}
	return 0;
}

u64 pci_bar(u16 bdf, unsigned bar)
{
	u32 lo = pci_read(bdf, 0x10 + 4 * bar, 4);
	u64 at = lo & ~0xfU;

	if ((lo & 6) == 4)
		at |= (u64)pci_read(bdf, 0x14 + 4 * bar, 4) << 32;
	return at;
}

u64 pci_msix_table(u16 bdf, unsigned *n)
{
	unsigned cap = pci_cap(bdf, CAP_MSIX, 0);
	u32 where;

	if (!cap)
		return 0;
	if (n)
		*n = (pci_read(bdf, cap + 2, 2) & 0x7ff) + 1;
	where = pci_read(bdf, cap + 4, 4);
	return pci_bar(bdf, where & 7) + (where & ~7U);
}

u64 pci_msix_pba(u16 bdf)
{
	unsigned cap = pci_cap(bdf, CAP_MSIX, 0);
	u32 where = pci_read(bdf, cap + 8, 4);

	return pci_bar(bdf, where & 7) + (where & ~7U);
}

void pci_msix_enable(u16 bdf, bool on)
{
	unsigned cap = pci_cap(bdf, CAP_MSIX, 0);

	pci_write(bdf, cap + 2, 2, on ? MSIX_ENABLE : 0);
}

void pci_msix_set(u16 bdf, unsigned n, u8 vec, bool masked)
{
	u64 e = pci_msix_table(bdf, NULL) + 16 * n;

	mmio_write(e, 4, X86_LAPIC_BASE | lapic_id() << 12);
	mmio_write(e + 4, 4, 0);
	mmio_write(e + 8, 4, vec);
	mmio_write(e + 12, 4, masked);
}
