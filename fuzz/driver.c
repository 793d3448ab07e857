/* The process around a fuzz target: libFuzzer with an embedded interpreter, which is needed
 * only to load the instrumented extension modules and to find the target in one of them.
 *
 * FASTGW_FUZZ_TARGET names the function of fastgw.ext.testing.fuzz_doors, PYTHONPATH leads to
 * the instrumented build. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*target_fn)(const uint8_t *, size_t);
static target_fn target;

static void give_up(const char *what) {
    if (PyErr_Occurred()) PyErr_Print();
    fprintf(stderr, "fuzz driver: %s\n", what);
    exit(2);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    const char *name = getenv("FASTGW_FUZZ_TARGET");
    if (!name) give_up("FASTGW_FUZZ_TARGET is not set");
    Py_InitializeEx(0);
    PyObject *module = PyImport_ImportModule("fastgw.ext.testing.fuzz_doors");
    if (!module) give_up("the instrumented modules can't be imported");
    PyObject *table = PyObject_GetAttrString(module, "__pyx_capi__");
    PyObject *capsule = table ? PyDict_GetItemString(table, name) : NULL;
    if (!capsule) give_up("no such target");
    target = (target_fn)PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    if (!target) give_up("the target is no function");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int failed = target(data, size);
    if (failed) {
        fprintf(stderr, "check %d of %s failed\n", failed, getenv("FASTGW_FUZZ_TARGET"));
        abort();
    }
    return 0;
}
