/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 0
/* The UART's interrupt through the IOAPIC, edge and level triggered, and none while the pin is masked. */
#include "guests/lib/guest.h"

#define VEC 0x41
#define IER (X86_COM1_PORT + 1)
#define IIR (X86_COM1_PORT + 2)
#define MCR (X86_COM1_PORT + 4)
#define IER_THR_EMPTY 2
#define MCR_OUT2 8
#define RTE_LEVEL BIT(15)
#define RTE_REMOTE_IRR BIT(14)
#define RTE_MASKED BIT(16)

static volatile unsigned fired;

static u32 io_read(u8 reg)
{
	mmio_write(X86_IOAPIC_BASE, 4, reg);
	return (u32)mmio_read(X86_IOAPIC_BASE + 0x10, 4);
}

static void io_write(u8 reg, u32 val)
{
	mmio_write(X86_IOAPIC_BASE, 4, reg);
	mmio_write(X86_IOAPIC_BASE + 0x10, 4, val);
}

/* Reading IIR ends the transmit interrupt. */
static void on_uart(void)
{
	fired++;
	port_read(IIR, 1);
}

static void try(const char *what, u32 rte, unsigned want)
{
	fired = 0;
	port_write(IER, 1, 0);
	io_write(0x10 + 2 * X86_GSI_COM1 + 1, lapic_id() << 24);
	io_write(0x10 + 2 * X86_GSI_COM1, rte);
	port_write(IER, 1, IER_THR_EMPTY);
	if (want) {
		CHECK(irq_wait(&fired, want) >= want, "%s: no interrupt", what);
	} else {
		irq_on();
		for (unsigned i = 0; i < 1000; i++)
			cpu_relax();
		irq_off();
		CHECK(fired == 0, "%s: an interrupt", what);
	}
	port_write(IER, 1, 0);
}

void guest_main(void)
{
	CHECK((io_read(1) >> 16 & 0xff) == X86_IOAPIC_PINS - 1, "version register %x", (u64)io_read(1));
	irq_handle(VEC, on_uart);
	port_write(MCR, 1, MCR_OUT2 | 3);
	try("masked", VEC | RTE_MASKED, 0);
	io_write(0x10 + 2 * X86_GSI_COM1, RTE_MASKED);
	try("edge", VEC, 1);
	try("edge again", VEC, 1);
	io_write(0x10 + 2 * X86_GSI_COM1, RTE_MASKED);
	try("level", VEC | RTE_LEVEL, 1);
	try("level again", VEC | RTE_LEVEL, 1);
	CHECK(!(io_read(0x10 + 2 * X86_GSI_COM1) & RTE_REMOTE_IRR), "Remote IRR is set after the end of interrupt");
	io_write(0x10 + 2 * X86_GSI_COM1, RTE_MASKED);
}
