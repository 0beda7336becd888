/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 80
/* pvpanic: what is no panic event does nothing at any offset and width; the event ends the VM as a panic. */
#include "guests/lib/guest.h"

#define PANICKED 1

void guest_main(void)
{
	u16 bdf = pci_find(0x1b36, 0x0011);
	u64 bar;

	CHECK(bdf != 0xffff, "no pvpanic function");
	pci_write(bdf, 4, 2, 2);
	bar = pci_bar(bdf, 0);
	CHECK(mmio_read(bar, 1) & PANICKED, "the panic event is not offered");
	for (unsigned off = 0; off < PAGE; off += off < 32 ? 1 : 63) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			mmio_read(bar + off, size);
			mmio_write(bar + off, size, off ? ~0ULL : ~(u64)PANICKED);
		}
	}
	say_pass();
	mmio_write(bar, 1, PANICKED);
	cpu_halt();
}
