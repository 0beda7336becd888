/* SPDX-License-Identifier: Apache-2.0 */
/* Any sequence of register accesses, line changes and ends of interrupt. A record: operation, offset, size, eight bytes of value. */
#include <errno.h>
#include <stdlib.h>

#include "devices/ioapic.h"
#include "vmm/bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE 0xfec00000ULL
#define RECORD 11

static int signal_msi(void *ctx, u64 addr, u32 data)
{
	/* Whatever is programmed, a pin sends to the interrupt range only. */
	if (addr >> 20 != 0xfee)
		abort();
	return 0;
}

static int set_routes(void *ctx, const struct irq_route *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (r[i].addr >> 20 != 0xfee || r[i].gsi >= IRQ_LINES)
			abort();
	}
	return 0;
}

static int irqfd(void *ctx, int fd, u32 gsi, int resample_fd, bool add)
{
	return -ENOSYS;
}

static void step(struct bus *bus, struct irq *irq, struct ioapic *io, const u8 *rec)
{
	u64 val = get_le(rec + 3, 8), addr = BASE + rec[1];
	unsigned size = 1 + (rec[2] & 7);

	switch (rec[0] % 6) {
	case 0:
		bus_read(bus, addr, size, &val);
		break;
	case 1:
		bus_write(bus, addr, size, val);
		break;
	case 2: /* straight to a register, so that inputs need not find the pair of writes */
		bus_write(bus, BASE, 1, rec[1]);
		bus_write(bus, BASE + 0x10, 4, val);
		break;
	case 3:
		irq_line(irq, rec[1] % 32, rec[2] & 1);
		break;
	case 4:
		ioapic_eoi(io, rec[1]);
		break;
	default:
		ioapic_reset(io);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct irq_backend be = { signal_msi, set_routes, irqfd };
	struct ioapic *io = NULL;
	struct irq *irq = NULL;
	struct bus bus;

	if (bus_init(&bus, "mmio"))
		return 0;
	if (irq_create(&be, NULL, &irq) == 0 && ioapic_create(&bus, irq, BASE, 0, &io) == 0) {
		for (size_t i = 0; i + RECORD <= size && i < 4096 * RECORD; i += RECORD)
			step(&bus, irq, io, data + i);
	}
	ioapic_destroy(io);
	irq_destroy(irq);
	bus_fini(&bus);
	return 0;
}
