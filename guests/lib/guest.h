/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a bare-metal guest has: it starts in guest_main() on the boot CPU, in 64-bit mode, interrupts off, the first 4 GiB mapped onto
 * themselves and a 16550 on COM1. Returning from guest_main() passes; fail() fails. A fault is reported and fails.
 *
 * Thread rule: everything but locks, ticks and messages belongs to the boot CPU.
 */
#ifndef NIDUS_GUEST_H
#define NIDUS_GUEST_H

#include "vmm/bits.h"
#include "vmm/memmap_x86_64.h"

#define GUEST_CPUS 64
#define PAGE 4096
/* How long something may take before it counts as failed, in TSC ticks: an emulated CPU on a busy machine is slow. */
#define PATIENCE 30000000000ULL

extern const char guest_name[]; /* of the source file, set by the build */
void guest_main(void);

/* --- messages and the end (print.c) --- */
/* %s, %u (unsigned), %x (u64, hexadecimal), %c, %%. One caller at a time. */
void say(const char *fmt, ...);
/* Messages go through fn from now on, not to COM1. */
void say_through(void (*fn)(char c));
/* Prints the PASS line; for guests that end in another way than by power off. */
void say_pass(void);
/* Prints the PASS line and powers off (nidus: 0). */
void pass(void) __attribute__((noreturn));
/* Prints the FAIL line and ends with status 1. */
void fail(const char *fmt, ...) __attribute__((noreturn));
#define CHECK(cond, ...)                       \
	do {                                   \
		if (!(cond))                   \
			fail(__VA_ARGS__);     \
	} while (0)

/* Writes the exit status byte of the pvpanic function. */
void guest_exit(u8 status) __attribute__((noreturn));
void power_off(void) __attribute__((noreturn));

/* --- boot information (boot.c) --- */
struct ram_range {
	u64 gpa, len;
	u32 type;
};

/* Entry i of the memory map; false beyond the last. */
bool boot_map(unsigned i, struct ram_range *r);
/* Value of NAME=number on the command line, or def. */
u64 boot_option(const char *name, u64 def);
/* Address of the ACPI root pointer. */
u64 boot_rsdp(void);

/* --- the CPU (cpu_x86_64.c, start_x86_64.S) --- */
u64 cpu_ticks(void); /* time stamp counter */
u64 cpu_msr_read(u32 msr);
void cpu_msr_write(u32 msr, u64 val);
void cpu_id(u32 leaf, u32 sub, u32 out[4]);
static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }
/* Until an interrupt. */
static inline void cpu_wait(void) { __asm__ volatile("hlt" ::: "memory"); }
void cpu_halt(void) __attribute__((noreturn));
/* Resets through a fault that cannot be delivered. */
void cpu_triple_fault(void) __attribute__((noreturn));

u64 port_read(u16 port, unsigned size);
void port_write(u16 port, unsigned size, u32 val);
/* String instructions: n elements of size bytes. */
void port_read_string(u16 port, unsigned size, void *buf, u64 n);
void port_write_string(u16 port, unsigned size, const void *buf, u64 n);

/* Any address and alignment, size 1, 2, 4, 8; maps addresses beyond 4 GiB on demand. */
u64 mmio_read(u64 gpa, unsigned size);
void mmio_write(u64 gpa, unsigned size, u64 val);

/* --- interrupts (cpu_x86_64.c): vectors from IRQ_FIRST up; a handler runs with interrupts off, the end is signalled for it --- */
#define IRQ_FIRST 0x30
void irq_handle(u8 vec, void (*fn)(void));
void irq_on(void);
void irq_off(void);
/* Lets interrupts in until *count reaches want or PATIENCE is over. Returns *count. */
unsigned irq_wait(const volatile unsigned *count, unsigned want);
/* Counts the interrupts of IRQ_COUNTERS vectors in a row from vec on: of each, and of all (counters.c). One such row at a time. */
#define IRQ_COUNTERS 16
void irq_count(u8 vec);
extern volatile unsigned irq_seen[IRQ_COUNTERS], irq_total;
u32 lapic_id(void);
void lapic_write(u32 reg, u64 val); /* x2APIC register number (MSR 0x800 + reg) */
u64 lapic_read(u32 reg);
#define LAPIC_LVT_TIMER 0x32
#define LAPIC_TIMER_PERIODIC (1 << 17)
#define LAPIC_TIMER_TSC_DEADLINE (2 << 17)
#define LAPIC_TIMER_COUNT 0x38
#define LAPIC_TIMER_CURRENT 0x39
#define LAPIC_TIMER_DIVIDE 0x3e
#define MSR_TSC_DEADLINE 0x6e0

/* --- other CPUs (smp_x86_64.c) --- */
/* Starts all others, fn(index) runs on each (index from 1), and waits until `want` CPUs in all are up or PATIENCE is over. Returns how many are. */
unsigned smp_start(unsigned want, void (*fn)(unsigned index));
/* Starts a second CPU that counts timer interrupts and does a configuration read in each; nidus needs -c 2. */
void tick_start(void);
/* Fails, naming what was going on, if the second CPU has not counted on since the last check and does not do so soon. */
void tick_check(const char *during);

struct lock { u32 taken; };
void lock_take(struct lock *l);
void lock_give(struct lock *l);

/* --- PCI (pci.c) --- */
u64 pci_addr(u16 bdf, unsigned off);
u32 pci_read(u16 bdf, unsigned off, unsigned size);
void pci_write(u16 bdf, unsigned off, unsigned size, u32 val);
/* The next function on bus 0 from bdf on that exists; 0xffff if none. */
u16 pci_next(u16 bdf);
u16 pci_find(u16 vendor, u16 device); /* 0xffff: none */
/* Next capability after the one at `from` (0: first) with this id; 0 if none. */
unsigned pci_cap(u16 bdf, u8 id, unsigned from);
u64 pci_bar(u16 bdf, unsigned bar);
/* Address of the MSI-X table entry; 0 without MSI-X. *n: number of vectors. */
u64 pci_msix_table(u16 bdf, unsigned *n);
u64 pci_msix_pba(u16 bdf);
void pci_msix_enable(u16 bdf, bool on);
/* Points vector n at the boot CPU's vector vec. */
void pci_msix_set(u16 bdf, unsigned n, u8 vec, bool masked);

/* --- a small generator, the same numbers each time --- */
u64 rnd(void);

#endif
