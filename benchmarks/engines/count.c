/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin for qemu-user that counts the guest's instructions, and writes the count so far to standard error as a
 * line "instructions N": when the guest ends, and whenever it asks for its parent's process id, which is a system call
 * that Python never makes by itself and that costs the guest a dozen instructions.
 *
 * Debian packages no header for plugins, so the few functions that are used are declared here, after QEMU's
 * documentation (docs/devel/tcg-plugins). Built with -DAPI=1 for QEMU up to 8, -DAPI=2 from 9 on.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#define GETPPID 173 /* of aarch64 Linux */
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
enum { NO_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id,
    void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
             uint64_t));
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);

EXPORT int qemu_plugin_version = API;

static uint64_t instructions;

/* A translated block runs from its first instruction to its last, so it is enough to count blocks by their length. */
static void ran(unsigned cpu, void *length)
{
    instructions += (uintptr_t)length;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    qemu_plugin_register_vcpu_tb_exec_cb(block, ran, NO_REGISTERS, (void *)qemu_plugin_tb_n_insns(block));
}

static void write_count(void)
{
    fprintf(stderr, "\ninstructions %" PRIu64 "\n", instructions);
}

static void ended(plugin_id id, void *nothing)
{
    write_count();
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    if (number == GETPPID) {
        write_count();
    }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **words)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
