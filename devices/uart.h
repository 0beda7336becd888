/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 16550A serial port. Output goes to a sink callback; input is queued by the host side. Source: National Semiconductor PC16550D datasheet.
 */
#ifndef NIDUS_UART_H
#define NIDUS_UART_H

#include "vmm/bits.h"
#include "vmm/irq.h"

struct bus;
struct uart;

struct uart_host {
	/* Bytes the guest sent; called under the UART's lock, must not block for long. */
	void (*out)(void *arg, const u8 *buf, unsigned len);
	/* The receive queue has room again after uart_in() returned less than it was given. */
	void (*in_ready)(void *arg);
	void *arg;
};

int uart_create(struct bus *bus, u64 base, struct irq *irq, u32 line, const struct uart_host *host, struct uart **out) __must_check;
void uart_destroy(struct uart *u);
void uart_reset(struct uart *u);
/* Queues input; returns how many bytes were taken (flow control, nothing is lost). Any thread. */
unsigned uart_in(struct uart *u, const u8 *buf, unsigned len) __must_check;

#endif
