/* A QEMU TCG plugin that counts instructions per call of the model: see regions.h.
 *
 * Arguments: out=FILE, entry=ADDRESS, interrupt=BEGIN-END, exclude=BEGIN-END (each repeatable), blocks=on.
 * Exact without -icount only: with it, QEMU leaves a block at a device access and executes its rest as another. */
#include "qemu_plugin.h"
#include "regions.h"

#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = SHOAL_QEMU_PLUGIN_VERSION;

static regions state;

static void executed(unsigned vcpu, void *userdata) {
    (void)vcpu;
    run_block(&state, userdata);
}

/* Where an instruction ends. Before QEMU 9, the size of the last one before a page's end can be too large, by what the
 * translator looked at of the next one: there it is read from the instruction, which is Thumb on every board of these.
 */
static uint64_t end_of(const struct qemu_plugin_insn *insn) {
    size_t size = qemu_plugin_insn_size(insn);
#if SHOAL_QEMU_PLUGIN_VERSION < 2
    const uint8_t *code = qemu_plugin_insn_haddr(insn);
    if (code != NULL) {
        size = code[1] >= 0xE8 ? 4 : 2;
    }
#endif
    return qemu_plugin_insn_vaddr(insn) + size;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(tb);
    block *b = new_block(&state, qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0)),
                         end_of(qemu_plugin_tb_get_insn(tb, count - 1)));
    if (b == NULL) {
        qemu_plugin_outs("shoal: no memory to count with\n");
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        b->counted += is_counted(&state, qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, i)));
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, b);
}

static bool argument(const char *text) {
    if (strncmp(text, "out=", 4) == 0) {
        state.out = fopen(text + 4, "w");
        return state.out != NULL;
    }
    if (strcmp(text, "blocks=on") == 0) {
        state.with_blocks = true;
        return true;
    }
    return (strncmp(text, "entry=", 6) == 0 && add_range(&state.entries, text + 6)) ||
           (strncmp(text, "interrupt=", 10) == 0 && add_range(&state.interrupts, text + 10)) ||
           (strncmp(text, "exclude=", 8) == 0 && add_range(&state.excluded, text + 8));
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!argument(argv[i])) {
            qemu_plugin_outs("shoal: cannot use argument ");
            qemu_plugin_outs(argv[i]);
            qemu_plugin_outs("\n");
            return 1;
        }
    }
    if (state.out == NULL || state.entries.count == 0) {
        qemu_plugin_outs("shoal: needs out= and entry=\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
