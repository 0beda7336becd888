/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "devices/power_x86.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/log.h"
#include "vmm/mem.h"
#include "vmm/memmap_x86_64.h"

#define BASE X86_SLEEP_CTRL_PORT
#define LEN (X86_GED_PORT - X86_SLEEP_CTRL_PORT + 1)

/* Sleep control (ACPI 6.4 table 4.19) */
#define SLP_TYP GENMASK(4, 2)
#define SLP_EN BIT(5)

/* The word that a kernel leaves for its firmware to ask for a warm reset. */
#define WARM_RESET 0x1234

struct power_x86 {
	const struct dev_ctx *ctx;
	pthread_mutex_t lock;
	u8 slp_typ; /* in place */
	u8 pending;
};

static void sleep_write(struct power_x86 *p, u8 val)
{
	unsigned typ = FIELD_GET(SLP_TYP, val);

	pthread_mutex_lock(&p->lock);
	p->slp_typ = val & SLP_TYP;
	pthread_mutex_unlock(&p->lock);
	if (!(val & SLP_EN))
		return;
	if (typ == X86_SLP_TYP_S5)
		p->ctx->machine(p->ctx->machine_arg, MACHINE_POWEROFF, 0);
	else
		log_guest("guest asks for sleep type %u, which no table offers", typ);
}

static void reset_write(struct power_x86 *p, u8 val)
{
	u64 word = 0;
	bool warm;

	if (val != X86_RESET_VALUE)
		return;
	warm = mem_load(p->ctx->mem, X86_WARM_RESET_GPA, 2, &word) == 0 && word == WARM_RESET;
	p->ctx->machine(p->ctx->machine_arg, MACHINE_RESET, warm);
}

static u8 ged_read(struct power_x86 *p)
{
	u8 v;

	pthread_mutex_lock(&p->lock);
	v = p->pending;
	p->pending = 0;
	pthread_mutex_unlock(&p->lock);
	return v;
}

static u8 read_byte(struct power_x86 *p, u64 off)
{
	u8 v;

	switch (BASE + off) {
	case X86_SLEEP_CTRL_PORT:
		pthread_mutex_lock(&p->lock);
		v = p->slp_typ;
		pthread_mutex_unlock(&p->lock);
		return v;
	case X86_GED_PORT:
		return ged_read(p);
	default:
		return 0;
	}
}

static void write_byte(struct power_x86 *p, u64 off, u8 val)
{
	switch (BASE + off) {
	case X86_SLEEP_CTRL_PORT:
		sleep_write(p, val);
		break;
	case X86_RESET_PORT:
		reset_write(p, val);
		break;
	default:
		break;
	}
}

/* A wider access is one to each of its bytes, as on the ISA bus. */
static void pio_read(void *dev, u64 off, unsigned size, u64 *val)
{
	*val = 0;
	for (unsigned i = 0; i < size; i++)
		*val |= (u64)read_byte(dev, off + i) << (8 * i);
}

static void pio_write(void *dev, u64 off, unsigned size, u64 val)
{
	for (unsigned i = 0; i < size; i++)
		write_byte(dev, off + i, (u8)(val >> (8 * i)));
}

void power_x86_button(struct power_x86 *p)
{
	pthread_mutex_lock(&p->lock);
	p->pending |= X86_GED_POWER_BUTTON;
	pthread_mutex_unlock(&p->lock);
	irq_line(p->ctx->irq, X86_GSI_GED, true);
	irq_line(p->ctx->irq, X86_GSI_GED, false);
}

void power_x86_reset(struct power_x86 *p)
{
	pthread_mutex_lock(&p->lock);
	p->slp_typ = 0;
	p->pending = 0;
	pthread_mutex_unlock(&p->lock);
}

static const struct region_ops power_region = { .read = pio_read, .write = pio_write };

int power_x86_create(const struct dev_ctx *ctx, struct power_x86 **out)
{
	struct region r = { .base = BASE, .len = LEN, .ops = &power_region, .name = "power" };
	struct power_x86 *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->ctx = ctx;
	pthread_mutex_init(&p->lock, NULL);
	r.dev = p;
	err = bus_add(ctx->pio, &r);
	if (err) {
		pthread_mutex_destroy(&p->lock);
		free(p);
		return err;
	}
	*out = p;
	return 0;
}

void power_x86_destroy(struct power_x86 *p)
{
	if (!p)
		return;
	bus_remove(p->ctx->pio, BASE);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
