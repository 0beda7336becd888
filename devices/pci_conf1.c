/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "devices/pci_conf1.h"
#include "vmm/bus.h"
#include "vmm/memmap_x86_64.h"

#define PORTS 8
#define DATA 4 /* offset of the data port */

#define ADDR_ENABLE BIT(31)
#define ADDR_FUNCTION GENMASK(23, 8) /* bus, device, function: ECAM has them four bits higher */
#define ADDR_REGISTER GENMASK(7, 2)

struct pci_conf1 {
	struct bus *pio, *mmio;
	gpa_t ecam;
	pthread_mutex_t lock;
	u32 addr;
};

/* The address port takes whole double words only; other sizes there reach nothing, as on a PC. */
static bool is_addr_port(u64 off, unsigned size)
{
	return off == 0 && size == 4;
}

/* Where in the ECAM an access to the data port goes; false: nowhere. */
static bool data_gpa(struct pci_conf1 *c, u64 off, unsigned size, gpa_t *gpa)
{
	u32 addr;

	if (off < DATA || size > 4 || off % size)
		return false;
	pthread_mutex_lock(&c->lock);
	addr = c->addr;
	pthread_mutex_unlock(&c->lock);
	if (!(addr & ADDR_ENABLE))
		return false;
	*gpa = c->ecam + ((addr & ADDR_FUNCTION) << 4) + (addr & ADDR_REGISTER) + (off - DATA);
	return true;
}

static void conf1_read(void *dev, u64 off, unsigned size, u64 *val)
{
	struct pci_conf1 *c = dev;
	gpa_t gpa;

	*val = size_mask(size);
	if (is_addr_port(off, size)) {
		pthread_mutex_lock(&c->lock);
		*val = c->addr;
		pthread_mutex_unlock(&c->lock);
	} else if (data_gpa(c, off, size, &gpa)) {
		bus_read(c->mmio, gpa, size, val);
	}
}

static void conf1_write(void *dev, u64 off, unsigned size, u64 val)
{
	struct pci_conf1 *c = dev;
	gpa_t gpa;

	if (is_addr_port(off, size)) {
		pthread_mutex_lock(&c->lock);
		c->addr = (u32)val & (u32)(ADDR_ENABLE | ADDR_FUNCTION | ADDR_REGISTER);
		pthread_mutex_unlock(&c->lock);
	} else if (data_gpa(c, off, size, &gpa)) {
		bus_write(c->mmio, gpa, size, val);
	}
}

static const struct region_ops conf1_ops = { conf1_read, conf1_write };

int pci_conf1_create(struct bus *pio, struct bus *mmio, gpa_t ecam, struct pci_conf1 **out)
{
	struct region r = { .base = X86_PCI_CONF1_PORT, .len = PORTS, .ops = &conf1_ops, .name = "pci config" };
	struct pci_conf1 *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->pio = pio;
	c->mmio = mmio;
	c->ecam = ecam;
	pthread_mutex_init(&c->lock, NULL);
	r.dev = c;
	err = bus_add(pio, &r);
	if (err) {
		pthread_mutex_destroy(&c->lock);
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

void pci_conf1_destroy(struct pci_conf1 *c)
{
	if (!c)
		return;
	bus_remove(c->pio, X86_PCI_CONF1_PORT);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void pci_conf1_reset(struct pci_conf1 *c)
{
	c->addr = 0;
}
