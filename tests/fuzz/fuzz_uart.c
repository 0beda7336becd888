/* SPDX-License-Identifier: Apache-2.0 */
/* Register accesses and host input from bytes, three each: operation and size, offset, value. */
#include <stdint.h>
#include <stdlib.h>

#include "devices/uart.h"
#include "vmm/bus.h"

static struct {
	bool line;
} f;

static int set_routes(void *ctx, const struct irq_route *r, unsigned n)
{
	return 0;
}

static const struct irq_backend backend = { .set_routes = set_routes };

static void set_line(void *ctx, u32 line, bool level)
{
	f.line = level;
}

static void out(void *arg, const u8 *buf, unsigned len)
{
	if (len != 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct irq_lines lines = { set_line, NULL };
	const struct uart_host host = { out, NULL, NULL };
	struct irq *irq;
	struct uart *u;
	struct bus bus;

	if (bus_init(&bus, "pio"))
		return 0;
	if (irq_create(&backend, NULL, &irq) == 0) {
		irq_set_lines(irq, &lines);
		if (uart_create(&bus, 0x3f8, irq, 4, &host, &u) == 0) {
			for (size_t i = 0; i + 3 <= size; i += 3) {
				u64 addr = 0x3f8 + data[i + 1] % 8, v = data[i + 2] * 0x0101010101010101ULL;
				unsigned width = 1 + data[i] / 4 % 8;

				if (data[i] % 4 == 0)
					bus_write(&bus, addr, width, v);
				else if (data[i] % 4 == 1)
					bus_read(&bus, addr, width, &v);
				else if (data[i] % 4 == 2 && uart_in(u, data, (unsigned)MIN(size, 40)) > 16)
					abort();
				else if (data[i] == 3)
					uart_reset(u);
			}
			uart_reset(u);
			if (f.line)
				abort();
			uart_destroy(u);
		}
		irq_destroy(irq);
	}
	bus_fini(&bus);
	return 0;
}
