/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 16550A serial port. Output goes to a sink callback; input is queued by the host side. Source: National Semiconductor PC16550D datasheet.
 *
 * A transmitted byte is out at once. Input is taken only while the guest asserts RTS, and never more than the receive FIFO holds, so
 * nothing that waits on the host is lost in the FIFO resets of a guest that is still booting. The interrupt is gated by OUT2, as on a PC.
 */
#ifndef NIDUS_UART_H
#define NIDUS_UART_H

#include "vmm/bits.h"
#include "vmm/irq.h"

struct bus;
struct uart;

struct uart_host {
	/* Bytes the guest sent; called under the UART's lock, on a vCPU, must not block for long. */
	void (*out)(void *arg, const u8 *buf, unsigned len);
	/* There is room again after uart_in() returned less than it was given. On a vCPU, without the UART's lock. May be NULL. */
	void (*in_ready)(void *arg);
	void *arg;
};

/* Adds its 8 ports at base to the bus. -ENOMEM, or what bus_add() says. */
int uart_create(struct bus *bus, u64 base, struct irq *irq, u32 line, const struct uart_host *host, struct uart **out) __must_check;
/* NULL is fine. No vCPU runs, nobody calls uart_in(). */
void uart_destroy(struct uart *u);
/* Back to power-on state; what is in the FIFO is dropped. */
void uart_reset(struct uart *u);
/* Queues input; returns how many bytes were taken (flow control, nothing is lost). Any thread. */
unsigned uart_in(struct uart *u, const u8 *buf, unsigned len) __must_check;

#endif
