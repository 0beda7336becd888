/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2
// expect: 0
/*
 * Every IOAPIC register at every width and each kind of redirection entry while its pin goes up and down; afterwards a pin works.
 * Entries are aimed at a CPU that does not exist: one that resets this CPU would be obeyed.
 */
#include "guests/lib/guest.h"

#define IER (X86_COM1_PORT + 1)
#define IIR (X86_COM1_PORT + 2)
#define MCR (X86_COM1_PORT + 4)
#define NOBODY 0x77000000U
#define VEC 0x41

static volatile unsigned fired;

static void on_uart(void)
{
	fired++;
	port_read(IIR, 1);
}

static void io_write(u8 reg, u32 val)
{
	mmio_write(X86_IOAPIC_BASE, 4, reg);
	mmio_write(X86_IOAPIC_BASE + 0x10, 4, val);
}

static void toggle(void)
{
	port_write(IER, 1, 2);
	port_read(IIR, 1);
	port_write(IER, 1, 0);
}

static void all_masked(void)
{
	for (unsigned pin = 0; pin < X86_IOAPIC_PINS; pin++) {
		io_write((u8)(0x10 + 2 * pin), 0x10000);
		io_write((u8)(0x11 + 2 * pin), NOBODY);
	}
}

/* Windows, index and what lies between, also across the page's end. */
static void registers(void)
{
	for (unsigned off = 0; off < PAGE + 8; off += off < 0x80 ? 1 : off < PAGE - 16 ? 37 : 1) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			mmio_read(X86_IOAPIC_BASE + off, size);
			mmio_write(X86_IOAPIC_BASE + off, size, 0xff00ff00ff00ff00ULL);
			mmio_write(X86_IOAPIC_BASE, 4, (u32)off);
		}
	}
	tick_check("registers");
}

static void entries(void)
{
	for (unsigned mode = 0; mode < 8; mode++) {
		for (unsigned vec = 0; vec < 256; vec += 51) {
			for (unsigned bits = 0; bits < 16; bits++) {
				/* level, polarity, logical destination, Remote IRR and status written though read-only */
				u32 rte = vec | mode << 8 | (bits & 1) << 15 | (bits >> 1 & 1) << 13 | (bits >> 2 & 1) << 11 | (bits >> 3) * 0x5000;

				io_write(0x11 + 2 * X86_GSI_COM1, bits & 4 ? 0 : NOBODY);
				io_write(0x10 + 2 * X86_GSI_COM1, rte);
				toggle();
			}
		}
		tick_check("redirection entries");
	}
	for (unsigned i = 0; i < 500; i++) {
		u8 reg = (u8)rnd();

		/* Never unmasked at random: the destination might be real. */
		io_write(reg, reg & 1 ? NOBODY : (u32)rnd() | 0x10000);
	}
	tick_check("random registers");
}

void guest_main(void)
{
	tick_start();
	port_write(MCR, 1, 0xb);
	all_masked();
	registers();
	all_masked();
	entries();
	all_masked();
	irq_handle(VEC, on_uart);
	io_write(0x11 + 2 * X86_GSI_COM1, lapic_id() << 24);
	io_write(0x10 + 2 * X86_GSI_COM1, VEC);
	port_write(IER, 1, 2);
	CHECK(irq_wait(&fired, 1) >= 1, "the pin is dead");
	port_write(IER, 1, 0);
}
