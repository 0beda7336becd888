/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vm, shared by vm.c and the architecture's machine_*.c only. Devices never see it.
 */
#ifndef NIDUS_VM_PRIV_H
#define NIDUS_VM_PRIV_H

#include "devices/devices.h"
#include "firmware/boot.h"
#include "vmm/bus.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/dma.h"
#include "vmm/event.h"
#include "vmm/irq.h"
#include "vmm/kvm.h"
#include "vmm/mem.h"
#include "vmm/pci.h"
#include "vmm/plat.h"
#include "vmm/report.h"
#include "vmm/units.h"
#include "vmm/vcpu.h"

struct ioapic;
struct pci_conf1;
struct power_x86;
struct uart;
struct vfio;

struct vm {
	const struct vm_config *cfg;
	struct report *report; /* NULL: not wanted */
	struct event *ev;
	struct kvm kvm;
	bool have_kvm;
	struct plat plat;
	struct boot_file kernel, initrd;
	char *cmdline;
	struct vfio *vfio; /* NULL: nothing is assigned */
	struct mem *mem;
	struct bus mmio, pio;
	bool have_mmio, have_pio;
	struct irq *irq;
	struct pci_host *pci;
	struct dma identity; /* of every function that is behind no unit */
	struct units units;
	struct dev_ctx ctx;
	struct console *console;
	struct vcpus *vcpus;

	/* the architecture's */
	struct ioapic *ioapic;
	struct pci_conf1 *conf1;
	struct power_x86 *power;
	struct uart *uart;

	/* what the guest asks; any thread */
	struct event_bell request;
	_Atomic u32 requests;   /* a bit per enum machine_event */
	_Atomic u32 guest_code; /* 0: none given */

	/* how it ends; event thread only */
	struct event_src signals;
	struct event_timer grace;
	bool ended;
	bool stopping; /* somebody outside asked for the end */
	int status;
	const char *reason;
};

/* --- machine_<arch>.c --- */

/* Buses, interrupt controller, power registers, serial port. vm->irq, pci exist. 0 or an exit status after log_error. */
int machine_create(struct vm *vm) __must_check;
/* Takes a VM in any state of completion. */
void machine_destroy(struct vm *vm);
/* Firmware tables, kernel, initrd and boot parameters into RAM; also again after a reset. 0 or an exit status after log_error. */
int machine_load(struct vm *vm, struct boot_entry *entry) __must_check;
/* The architecture's devices back to power-on state; vCPUs are paused. */
void machine_reset(struct vm *vm);
/* Event thread. */
void machine_power_button(struct vm *vm);

#endif
