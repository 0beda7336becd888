/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transmitter has no speed: a byte written to THR is at the host before the write ends, so THR and the shift register are always empty
 * (LSR bits 5 and 6). What remains of the transmit interrupt is its latch, thre_pending: set when THR becomes empty or the interrupt gets
 * enabled, cleared by reading it in IIR. The character timeout fires at once when fewer bytes than the trigger level wait.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "devices/uart.h"
#include "vmm/bus.h"

#define UART_PORTS 8
#define UART_FIFO 16

/* Registers; 0 and 1 are the divisor latch while LCR.DLAB is set. */
enum { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

#define IER_RDI 0x01
#define IER_THRI 0x02
#define IER_RLSI 0x04
#define IER_MSI 0x08
#define IER_MASK 0x0f

#define IIR_NONE 0x01
#define IIR_MSI 0x00
#define IIR_THRI 0x02
#define IIR_RDI 0x04
#define IIR_RLSI 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO 0xc0

#define FCR_ENABLE 0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define FCR_TRIGGER 0xc0

#define LCR_DLAB 0x80

#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_DR 0x01
#define LSR_OE 0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

/* Low half: what changed since the last read. */
#define MSR_DCTS 0x01
#define MSR_DDSR 0x02
#define MSR_TERI 0x04
#define MSR_DDCD 0x08
#define MSR_DELTA 0x0f
#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI 0x40
#define MSR_DCD 0x80

struct uart {
	pthread_mutex_t lock;
	struct bus *bus;
	u64 base;
	struct irq *irq;
	u32 line;
	struct uart_host host;
	u8 ier, fcr, lcr, mcr, msr, scr, dll, dlm;
	bool overrun, thre_pending, level;
	bool refused; /* uart_in() left bytes with the host */
	u8 fifo[UART_FIFO];
	unsigned head, count;
};

static unsigned fifo_size(const struct uart *u)
{
	return u->fcr & FCR_ENABLE ? UART_FIFO : 1;
}

static unsigned fifo_trigger(const struct uart *u)
{
	static const u8 levels[] = { 1, 4, 8, 14 };

	return u->fcr & FCR_ENABLE ? levels[FIELD_GET(FCR_TRIGGER, u->fcr)] : 1;
}

static void fifo_put(struct uart *u, u8 v)
{
	if (u->count == fifo_size(u)) {
		u->overrun = true;
		return;
	}
	u->fifo[(u->head + u->count++) % UART_FIFO] = v;
}

static u8 fifo_get(struct uart *u)
{
	u8 v;

	if (!u->count)
		return 0;
	v = u->fifo[u->head];
	u->head = (u->head + 1) % UART_FIFO;
	u->count--;
	return v;
}

static unsigned room(const struct uart *u)
{
	if ((u->mcr & (MCR_RTS | MCR_LOOP)) != MCR_RTS || u->count >= fifo_size(u))
		return 0;
	return fifo_size(u) - u->count;
}

/* The highest pending interrupt that is enabled (PC16550D table IV). */
static u8 pending(const struct uart *u)
{
	if ((u->ier & IER_RLSI) && u->overrun)
		return IIR_RLSI;
	if ((u->ier & IER_RDI) && u->count)
		return u->count >= fifo_trigger(u) ? IIR_RDI : IIR_TIMEOUT;
	if ((u->ier & IER_THRI) && u->thre_pending)
		return IIR_THRI;
	if ((u->ier & IER_MSI) && (u->msr & MSR_DELTA))
		return IIR_MSI;
	return IIR_NONE;
}

static void update_irq(struct uart *u)
{
	bool level = pending(u) != IIR_NONE && (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	if (level != u->level) {
		u->level = level;
		irq_line(u->irq, u->line, level);
	}
}

/* Modem lines: those of a connected modem, or in loopback the four outputs. */
static void update_msr(struct uart *u)
{
	u8 now = MSR_CTS | MSR_DSR | MSR_DCD, was = u->msr;

	if (u->mcr & MCR_LOOP)
		now = (u8)((u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
			   (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
	u->msr = (u8)(now | (was & MSR_DELTA));
	if ((was ^ now) & MSR_CTS)
		u->msr |= MSR_DCTS;
	if ((was ^ now) & MSR_DSR)
		u->msr |= MSR_DDSR;
	if ((was ^ now) & MSR_DCD)
		u->msr |= MSR_DDCD;
	if (was & ~now & MSR_RI)
		u->msr |= MSR_TERI;
}

static void transmit(struct uart *u, u8 v)
{
	if (u->mcr & MCR_LOOP)
		fifo_put(u, v);
	else if (u->host.out)
		u->host.out(u->host.arg, &v, 1);
	u->thre_pending = true;
}

static void write_fcr(struct uart *u, u8 v)
{
	/* Switching the FIFOs on or off empties them; the other bits count only while they are on. */
	if ((v ^ u->fcr) & FCR_ENABLE)
		v |= FCR_CLEAR_RX | FCR_CLEAR_TX;
	if (!(v & (FCR_ENABLE | FCR_CLEAR_RX)))
		return;
	if (v & FCR_CLEAR_RX)
		u->count = 0;
	if (v & FCR_CLEAR_TX)
		u->thre_pending = true;
	u->fcr = v & FCR_ENABLE ? (u8)(v & (FCR_ENABLE | FCR_TRIGGER)) : 0;
}

static void write_reg(struct uart *u, unsigned reg, u8 v)
{
	switch (reg) {
	case RBR_THR:
		if (u->lcr & LCR_DLAB)
			u->dll = v;
		else
			transmit(u, v);
		break;
	case IER:
		if (u->lcr & LCR_DLAB) {
			u->dlm = v;
			break;
		}
		/* THR is empty now: enabling its interrupt raises it. */
		if (v & ~u->ier & IER_THRI)
			u->thre_pending = true;
		u->ier = v & IER_MASK;
		break;
	case IIR_FCR:
		write_fcr(u, v);
		break;
	case LCR:
		u->lcr = v;
		break;
	case MCR:
		u->mcr = v & MCR_MASK;
		update_msr(u);
		break;
	case SCR:
		u->scr = v;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

static u8 read_iir(struct uart *u)
{
	u8 v = pending(u);

	if (v == IIR_THRI)
		u->thre_pending = false;
	return (u8)(v | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0));
}

static u8 read_reg(struct uart *u, unsigned reg)
{
	u8 v;

	switch (reg) {
	case RBR_THR:
		return u->lcr & LCR_DLAB ? u->dll : fifo_get(u);
	case IER:
		return u->lcr & LCR_DLAB ? u->dlm : u->ier;
	case IIR_FCR:
		return read_iir(u);
	case LCR:
		return u->lcr;
	case MCR:
		return u->mcr;
	case LSR:
		v = (u8)(LSR_THRE | LSR_TEMT | (u->count ? LSR_DR : 0) | (u->overrun ? LSR_OE : 0));
		u->overrun = false;
		return v;
	case MSR:
		v = u->msr;
		u->msr &= (u8)~MSR_DELTA;
		return v;
	default:
		return u->scr;
	}
}

/* After a guest's access: the interrupt, and the host's waiting input if there is room now. Releases the lock. */
static void settle(struct uart *u)
{
	bool ready = u->refused && room(u);

	if (ready)
		u->refused = false;
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
	if (ready && u->host.in_ready)
		u->host.in_ready(u->host.arg);
}

/* A wider access is one of each byte register, in order, as on a bus of 8 bits. */
static void uart_read(void *dev, u64 off, unsigned size, u64 *val)
{
	struct uart *u = dev;

	*val = 0;
	pthread_mutex_lock(&u->lock);
	for (unsigned i = 0; i < size; i++)
		*val |= (u64)read_reg(u, (unsigned)(off + i)) << (8 * i);
	settle(u);
}

static void uart_write(void *dev, u64 off, unsigned size, u64 val)
{
	struct uart *u = dev;

	pthread_mutex_lock(&u->lock);
	for (unsigned i = 0; i < size; i++)
		write_reg(u, (unsigned)(off + i), (u8)(val >> (8 * i)));
	settle(u);
}

static const struct region_ops uart_ops = { uart_read, uart_write };

static void power_on(struct uart *u)
{
	u->ier = u->fcr = u->lcr = u->mcr = u->scr = u->dlm = 0;
	u->dll = 12; /* 9600 baud */
	u->msr = MSR_CTS | MSR_DSR | MSR_DCD;
	u->overrun = false;
	u->thre_pending = false;
	u->head = u->count = 0;
}

int uart_create(struct bus *bus, u64 base, struct irq *irq, u32 line, const struct uart_host *host, struct uart **out)
{
	struct region r = { base, UART_PORTS, &uart_ops, NULL, "uart" };
	struct uart *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return -ENOMEM;
	pthread_mutex_init(&u->lock, NULL);
	u->bus = bus;
	u->base = base;
	u->irq = irq;
	u->line = line;
	u->host = *host;
	power_on(u);
	r.dev = u;
	rc = bus_add(bus, &r);
	if (rc) {
		pthread_mutex_destroy(&u->lock);
		free(u);
		return rc;
	}
	*out = u;
	return 0;
}

void uart_destroy(struct uart *u)
{
	if (!u)
		return;
	bus_remove(u->bus, u->base);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

void uart_reset(struct uart *u)
{
	pthread_mutex_lock(&u->lock);
	power_on(u);
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
}

unsigned uart_in(struct uart *u, const u8 *buf, unsigned len)
{
	unsigned n;

	pthread_mutex_lock(&u->lock);
	n = MIN(len, room(u));
	for (unsigned i = 0; i < n; i++)
		fifo_put(u, buf[i]);
	u->refused = n < len;
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
	return n;
}
