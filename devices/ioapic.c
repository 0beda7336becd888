/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock order: the IOAPIC's lock, then irq's. Callbacks of ioapic_on_eoi() run without either.
 *
 * The route of a level-triggered pin is told to irq (and KVM): only then does the end of its vector leave the kernel. It stays while the
 * pin is masked, since the interrupt may still be in service. Edge-triggered pins need no route, they are sent as MSIs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "devices/devices.h"
#include "devices/ioapic.h"
#include "vmm/bus.h"
#include "vmm/log.h"
#include "vmm/pci.h"

#define PINS IRQ_LINES

/* Memory-mapped registers (82093AA section 3.1; EOI: ICH9 datasheet section 13.5) */
#define IOREGSEL 0x00
#define IOWIN 0x10
#define IOEOI 0x40

/* Registers behind the window (section 3.2) */
#define REG_ID 0x00
#define ID_MASK GENMASK(27, 24)
#define REG_VER 0x01
#define VERSION 0x20 /* from this version on there is an EOI register */
#define REG_ARB 0x02
#define REG_RTE 0x10

/* Redirection table entry (section 3.2.4). Bits 63:48 and 11 are an MSI address' bits 19:4 and 2. */
#define RTE_VECTOR GENMASK(7, 0)
#define RTE_DELIVERY GENMASK(10, 8)
#define DELIVERY_FIXED 0
#define DELIVERY_LOWEST 1
#define DELIVERY_EXTINT 7
#define RTE_DEST_LOGICAL BIT(11)
#define RTE_REMOTE_IRR BIT(14)
#define RTE_LEVEL BIT(15)
#define RTE_MASKED BIT(16)
#define RTE_DEST GENMASK(63, 48)
#define RTE_WRITABLE (RTE_DEST | RTE_VECTOR | RTE_DELIVERY | RTE_DEST_LOGICAL | BIT(13) | RTE_LEVEL | RTE_MASKED)

/* MSI (Intel SDM volume 3, 11.11) */
#define MSI_BASE 0xfee00000U
#define MSI_DEST GENMASK(19, 4)
#define MSI_DEST_LOGICAL BIT(2)
#define MSI_ASSERT BIT(14)
#define MSI_LEVEL BIT(15)

struct pin {
	u64 rte;
	bool line;    /* asserted by the device; the polarity bit is kept but means nothing here */
	bool latched; /* an edge not yet delivered */
	void (*eoi)(void *arg, u32 line);
	void *eoi_arg;
};

struct ioapic {
	pthread_mutex_t lock;
	struct bus *mmio;
	struct irq *irq;
	gpa_t base;
	u8 initial_id;
	u32 id;
	u8 sel;
	struct pin pin[PINS];
};

static bool is_level(u64 rte)
{
	u64 mode = FIELD_GET(RTE_DELIVERY, rte);

	/* SMI, NMI and INIT are edges whatever the bit says. */
	return (rte & RTE_LEVEL) && (mode == DELIVERY_FIXED || mode == DELIVERY_LOWEST);
}

static u64 msi_addr(u64 rte)
{
	return MSI_BASE | FIELD_PREP(MSI_DEST, FIELD_GET(RTE_DEST, rte)) | (rte & RTE_DEST_LOGICAL ? MSI_DEST_LOGICAL : 0);
}

static u32 msi_data(u64 rte)
{
	return (u32)((rte & (RTE_VECTOR | RTE_DELIVERY)) | (is_level(rte) ? MSI_LEVEL | MSI_ASSERT : 0));
}

/* Sends what the pin has to send, if it may. Lock held. */
static void service(struct ioapic *io, struct pin *p)
{
	if (p->rte & RTE_MASKED)
		return;
	if (is_level(p->rte)) {
		if (!p->line || (p->rte & RTE_REMOTE_IRR))
			return;
		p->rte |= RTE_REMOTE_IRR;
	} else {
		if (!p->latched)
			return;
		p->latched = false;
	}
	/* There is no 8259 that could say which vector. */
	if (FIELD_GET(RTE_DELIVERY, p->rte) == DELIVERY_EXTINT)
		return;
	irq_msi(io->irq, PCI_BDF(0, PCI_DEV_IOAPIC, 0), msi_addr(p->rte), msi_data(p->rte));
}

static void set_line(void *ctx, u32 line, bool level)
{
	struct ioapic *io = ctx;
	struct pin *p;

	if (line >= PINS)
		return;
	p = &io->pin[line];
	pthread_mutex_lock(&io->lock);
	/*
	 * An edge that meets a masked pin is kept until the pin is unmasked. The 82093AA loses it; drivers that unmask late (the
	 * power button's) would then never see it.
	 */
	if (level && !p->line && !is_level(p->rte))
		p->latched = true;
	p->line = level;
	service(io, p);
	pthread_mutex_unlock(&io->lock);
}

/* Lock held. */
static void update_route(struct ioapic *io, u32 line)
{
	u64 rte = io->pin[line].rte;
	bool level = is_level(rte);
	int err = irq_line_route(io->irq, line, level ? msi_addr(rte) : 0, level ? msi_data(rte) : 0);

	if (err < 0)
		log_guest("IOAPIC pin %u: its route was not taken: %s", line, strerror(-err));
}

/* Lock held. */
static void rte_write(struct ioapic *io, u32 line, bool high, u32 val)
{
	struct pin *p = &io->pin[line];
	u64 v = high ? (u64)val << 32 : val, half = high ? GENMASK(63, 32) : GENMASK(31, 0);
	u64 writable = RTE_WRITABLE & half;

	p->rte = (p->rte & ~writable) | (v & writable);
	if (is_level(p->rte))
		p->latched = false;
	else
		p->rte &= ~RTE_REMOTE_IRR;
	update_route(io, line);
	service(io, p);
}

static u32 reg_read(const struct ioapic *io, u8 sel)
{
	u64 rte;

	if (sel >= REG_RTE && sel < REG_RTE + 2 * PINS) {
		rte = io->pin[(sel - REG_RTE) / 2].rte;
		return (u32)(sel & 1 ? rte >> 32 : rte);
	}
	switch (sel) {
	case REG_ID:
	case REG_ARB:
		return io->id;
	case REG_VER:
		return (PINS - 1) << 16 | VERSION;
	default:
		return 0;
	}
}

static void reg_write(struct ioapic *io, u8 sel, u32 val)
{
	if (sel >= REG_RTE && sel < REG_RTE + 2 * PINS)
		rte_write(io, (sel - REG_RTE) / 2, sel & 1, val);
	else if (sel == REG_ID)
		io->id = val & ID_MASK;
}

/* Registers are 32 bits wide, 16 bytes apart; narrower and wider reads get the bytes they name, and zeros beside the registers. */
static void mmio_read(void *dev, u64 off, unsigned size, u64 *val)
{
	struct ioapic *io = dev;
	u64 reg = 0;

	pthread_mutex_lock(&io->lock);
	if (ALIGN_DOWN(off, 4) == IOREGSEL)
		reg = io->sel;
	else if (ALIGN_DOWN(off, 4) == IOWIN)
		reg = reg_read(io, io->sel);
	pthread_mutex_unlock(&io->lock);
	*val = reg >> (8 * (off & 3)) & size_mask(size);
}

/* The select and EOI registers hold one byte and take writes of any size; the window takes a whole register only. */
static void mmio_write(void *dev, u64 off, unsigned size, u64 val)
{
	struct ioapic *io = dev;

	if (off == IOEOI) {
		ioapic_eoi(io, (u8)val);
		return;
	}
	pthread_mutex_lock(&io->lock);
	if (off == IOREGSEL)
		io->sel = (u8)val;
	else if (off == IOWIN && size >= 4)
		reg_write(io, io->sel, (u32)val);
	pthread_mutex_unlock(&io->lock);
}

void ioapic_eoi(struct ioapic *io, u8 vector)
{
	struct {
		u32 line;
		void (*fn)(void *arg, u32 line);
		void *arg;
	} ended[PINS];
	unsigned n = 0;

	pthread_mutex_lock(&io->lock);
	for (u32 i = 0; i < PINS; i++) {
		struct pin *p = &io->pin[i];

		if (!(p->rte & RTE_REMOTE_IRR) || FIELD_GET(RTE_VECTOR, p->rte) != vector)
			continue;
		p->rte &= ~RTE_REMOTE_IRR;
		ended[n].line = i;
		ended[n].fn = p->eoi;
		ended[n++].arg = p->eoi_arg;
	}
	pthread_mutex_unlock(&io->lock);
	for (unsigned i = 0; i < n; i++) {
		if (ended[i].fn)
			ended[i].fn(ended[i].arg, ended[i].line);
	}
	/* Only now: an owner that was told may have lowered its line. */
	pthread_mutex_lock(&io->lock);
	for (unsigned i = 0; i < n; i++)
		service(io, &io->pin[ended[i].line]);
	pthread_mutex_unlock(&io->lock);
}

int ioapic_on_eoi(struct ioapic *io, u32 line, void (*fn)(void *arg, u32 line), void *arg)
{
	int err = 0;

	if (line >= PINS)
		return -EINVAL;
	pthread_mutex_lock(&io->lock);
	if (fn && io->pin[line].eoi) {
		err = -EBUSY;
	} else {
		io->pin[line].eoi = fn;
		io->pin[line].eoi_arg = arg;
	}
	pthread_mutex_unlock(&io->lock);
	return err;
}

void ioapic_reset(struct ioapic *io)
{
	pthread_mutex_lock(&io->lock);
	io->sel = 0;
	io->id = (u32)FIELD_PREP(ID_MASK, io->initial_id);
	for (u32 i = 0; i < PINS; i++) {
		io->pin[i].rte = RTE_MASKED;
		io->pin[i].latched = false;
		update_route(io, i);
	}
	pthread_mutex_unlock(&io->lock);
}

static const struct region_ops ioapic_region = { .read = mmio_read, .write = mmio_write };

int ioapic_create(struct bus *mmio, struct irq *irq, gpa_t base, u8 id, struct ioapic **out)
{
	struct region r = { .base = base, .len = 0x1000, .ops = &ioapic_region, .name = "ioapic" };
	struct irq_lines lines = { .set = set_line };
	struct ioapic *io = calloc(1, sizeof(*io));
	int err;

	if (!io)
		return -ENOMEM;
	pthread_mutex_init(&io->lock, NULL);
	io->mmio = mmio;
	io->irq = irq;
	io->base = base;
	io->initial_id = id;
	ioapic_reset(io);
	r.dev = io;
	err = bus_add(mmio, &r);
	if (err) {
		pthread_mutex_destroy(&io->lock);
		free(io);
		return err;
	}
	lines.ctx = io;
	irq_set_lines(irq, &lines);
	*out = io;
	return 0;
}

void ioapic_destroy(struct ioapic *io)
{
	if (!io)
		return;
	irq_set_lines(io->irq, &(struct irq_lines){ 0 });
	bus_remove(io->mmio, io->base);
	pthread_mutex_destroy(&io->lock);
	free(io);
}
