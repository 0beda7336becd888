/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2
// expect: 80
/* pvpanic: what is no panic event, and no status that a guest may give, does nothing at any offset and width; the event ends the VM as a panic. */
#include "devices/devices.h"
#include "guests/lib/guest.h"

#define PANICKED 1

void guest_main(void)
{
	u16 bdf = pci_find(0x1b36, 0x0011);
	u64 bar;

	CHECK(bdf != 0xffff, "no pvpanic function");
	tick_start();
	pci_write(bdf, 4, 2, 2);
	bar = pci_bar(bdf, 0);
	CHECK(mmio_read(bar, 1) & PANICKED, "the panic event is not offered");
	for (unsigned off = 0; off < PAGE; off += off < 32 ? 1 : 63) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			mmio_read(bar + off, size);
			mmio_write(bar + off, size, off ? ~0ULL : ~(u64)PANICKED);
		}
	}
	tick_check("registers");
	for (unsigned status = 64; status < 257; status++)
		pci_write(bdf, PVPANIC_STATUS_BYTE, 1, status & 0xff);
	for (unsigned size = 2; size <= 4; size *= 2) {
		for (unsigned off = PVPANIC_VENDOR_CAP; off < PVPANIC_STATUS_BYTE + 4; off += size)
			pci_write(bdf, off, size, ~0U);
	}
	tick_check("status bytes");
	say_pass();
	mmio_write(bar, 1, PANICKED);
	cpu_halt();
}
