/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM by raw ioctls. The raw ABI stops here, in vcpu.c, irq_kvm.c and arch_*.c. Every call checks that the argument's size is the one
 * the request number encodes.
 */
#ifndef NIDUS_KVM_H
#define NIDUS_KVM_H

#include <sys/ioctl.h>

#include "vmm/bits.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/mem.h"

#define KVM_SLOTS 128

struct kvm {
	int fd;       /* /dev/kvm */
	int vm_fd;
	int run_size; /* bytes of a vCPU's run area */
	unsigned phys_bits; /* guest physical address width */
	/* slots in use; slot numbers are indices */
	pthread_mutex_t lock;
	struct { gpa_t gpa; u64 len; void *hva; } slot[KVM_SLOTS]; /* len 0: free */
	void *arch;   /* arch_*.c's own */
};

/* Compile-time check of the argument's size against _IOC_SIZE(req); returns 0 or more, or -errno; EINTR is retried (so not for KVM_RUN). */
#define kvm_ioctl(fd, req, arg)                                                                              \
	({                                                                                                   \
		_Static_assert(_IOC_SIZE(req) == sizeof(*(arg)), "ioctl argument has the wrong size");       \
		kvm_ioctl_raw(fd, req, arg);                                                                 \
	})
/* The same without the check. */
int kvm_ioctl_raw(int fd, unsigned long req, void *arg);
/* For requests that take an integer or nothing. */
int kvm_ioctl_val(int fd, unsigned long req, unsigned long val);

/*
 * Opens node (or takes over fd >= 0, which messages call node) and creates the VM with its interrupt controller (arch_vm_init()). 0, or after
 * one log_error line naming the remedy EXIT_HOST: no /dev/kvm, no permission (group kvm), API version, a capability that is missing, fd limit;
 * EXIT_NOINPUT: fd is none of KVM.
 * On failure nothing is left, fd included. All descriptors are close-on-exec. Thread: the one that builds the VM.
 */
int kvm_create(struct kvm *k, const char *node, int fd) __must_check;
/* vCPUs must be destroyed, guest memory may still be mapped. No-op on a struct whose kvm_create() failed. */
void kvm_destroy(struct kvm *k);

/* Value of KVM_CHECK_EXTENSION on the VM; 0 if absent. */
int kvm_cap(const struct kvm *k, int cap);

/* A capability that nidus cannot do without, and what for. */
struct kvm_need {
	int cap;
	const char *name, *use;
};

/* 0, or EXIT_HOST after one log_error line about the first that is missing. */
int kvm_check_caps(const struct kvm *k, const struct kvm_need *need, unsigned n) __must_check;

/* Registers all RAM. 0 or -errno; a failure leaves no slot of m behind. */
int kvm_add_ram(struct kvm *k, const struct mem *m) __must_check;
/*
 * [any] Shows len bytes of host memory at hva to the guest; all three page aligned. -ENOSPC: no slot is free, else KVM's error
 * (-EEXIST: overlap).
 * The memory must stay mapped until kvm_slot_del(), which does nothing if there is no such slot.
 */
int kvm_slot_add(struct kvm *k, gpa_t gpa, u64 len, void *hva, bool readonly) __must_check;
void kvm_slot_del(struct kvm *k, gpa_t gpa, void *hva);

/* Hooks for the two busses and the interrupt routes; ctx is struct kvm *. */
extern const struct bus_hooks kvm_mmio_hooks, kvm_pio_hooks;
extern const struct irq_backend kvm_irq_backend;

#endif
