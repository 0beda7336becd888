/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2
// expect: 0
/* Accesses at random and at the edges of everything: the hole below 4 GiB, above RAM, across RAM's end, across pages. */
#include "guests/lib/guest.h"

static const u64 edges[] = {
	MiB(64), MiB(128), X86_LOW_RAM_END, X86_PCI32_BASE + X86_PCI32_LEN, X86_ECAM_BASE + X86_ECAM_LEN, X86_VIOMMU_BASE, X86_VIOMMU_BASE + PAGE,
	X86_IOAPIC_BASE, X86_IOAPIC_BASE + PAGE, GiB(4), GiB(5), BIT(35), BIT(36) - PAGE,
};

static void access(u64 gpa, u64 r)
{
	unsigned size = 1U << (r & 3);

	if (r & 4)
		mmio_read(gpa, size);
	else
		mmio_write(gpa, size, r);
}

/* Bus 0's configuration space and the local APIC have guests of their own; RAM is not to be scribbled over. */
static bool allowed(u64 gpa)
{
	return gpa >= MiB(64) && (gpa + 8 <= X86_ECAM_BASE || gpa >= X86_ECAM_BASE + MiB(1)) && (gpa + 8 <= X86_LAPIC_BASE || gpa >= X86_LAPIC_BASE + PAGE);
}

void guest_main(void)
{
	tick_start();
	for (unsigned i = 0; i < ARRAY_SIZE(edges); i++) {
		for (unsigned back = 0; back <= 8; back++) {
			for (unsigned size = 1; size <= 8; size *= 2) {
				mmio_read(edges[i] - back, size);
				if (allowed(edges[i] - back))
					mmio_write(edges[i] - back, size, ~0ULL);
			}
		}
		tick_check("edges");
	}
	for (unsigned i = 0; i < 6000; i++) {
		u64 r = rnd(), gpa = i & 1 ? X86_LOW_RAM_END + (r >> 8) % (GiB(4) - X86_LOW_RAM_END) : (r >> 8) % GiB(4);

		if (allowed(gpa))
			access(gpa, r);
		if (i % 500 == 0)
			tick_check("random addresses");
	}
	for (u64 gpa = X86_VIOMMU_BASE; gpa < X86_VIOMMU_BASE + X86_VIOMMU_MAX * X86_VIOMMU_STRIDE; gpa += 0x44)
		mmio_write(gpa, 4, ~0U);
	tick_check("end");
	CHECK(mmio_read(0xfe000000, 8) == ~0ULL, "unassigned memory does not read all ones");
}
