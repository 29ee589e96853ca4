# SPDX-License-Identifier: Apache-2.0
#
# prism_bpf_object(<target> <file.bpf.c>)
#     Compiles the BPF program with clang and generates <file>.skel.h (libbpf skeleton `<file>_bpf`), which the sources of
#     <target> can include. PRISM_BPF_CLANG and PRISM_BPFTOOL override the tools that are found. The link of a struct_ops
#     map is not part of the skeleton: the leg attaches it, and libbpf has no place for it before 1.5.
#
# prism_add_module(NAME <name> SOURCES <c files> [BPF <bpf.c files>] [LIBRARIES <targets>])
#     Builds <name>.so: a Prism module that exports `prism_module` alone, shares libbpf with its host, and is checked
#     after the link to carry the module note. Installed into lib/prism/modules.

find_program(PRISM_BPF_CLANG NAMES clang-19 clang-20 clang-18 clang-17 clang-16 clang REQUIRED
    DOC "clang that compiles BPF programs")
find_program(PRISM_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED DOC "bpftool >= 7.4")

function(prism_bpf_object target source)
    get_filename_component(source_abs ${source} ABSOLUTE)
    get_filename_component(base ${source} NAME)
    string(REGEX REPLACE "\\.bpf\\.c$" "" base ${base})
    set(out ${CMAKE_CURRENT_BINARY_DIR}/bpf)
    set(object ${out}/${base}.bpf.o)
    set(skeleton ${out}/${base}.skel.h)
    file(MAKE_DIRECTORY ${out})
    if(CMAKE_LIBRARY_ARCHITECTURE)
        set(arch_include -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
    endif()
    set(includes -I${CMAKE_CURRENT_SOURCE_DIR})
    if(TARGET prism_headers)
        get_target_property(dirs prism_headers INTERFACE_INCLUDE_DIRECTORIES)
    else()
        get_target_property(dirs Prism::headers INTERFACE_INCLUDE_DIRECTORIES)
    endif()
    foreach(dir ${dirs})
        list(APPEND includes -I${dir})
    endforeach()
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        set(bpf_arch x86)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
        set(bpf_arch arm64)
    else()
        set(bpf_arch ${CMAKE_SYSTEM_PROCESSOR})
    endif()
    # One rule for each object, however many targets use it: two makes would write the same file at once.
    file(RELATIVE_PATH place ${CMAKE_BINARY_DIR} ${out})
    string(MAKE_C_IDENTIFIER "${place}_${base}" id)
    if(NOT TARGET ${id})
        add_custom_command(
            OUTPUT ${object} ${skeleton}
            COMMAND ${PRISM_BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu17 -D__TARGET_ARCH_${bpf_arch} -Wall -Wextra -Werror
                -Wno-unused-parameter -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= ${includes} ${arch_include}
                -MD -MF ${object}.d -MT ${object} -c ${source_abs} -o ${object}
            COMMAND ${PRISM_BPFTOOL} gen skeleton ${object} name ${base}_bpf > ${skeleton}.tmp
            COMMAND sed -i -e "s/map_skel_sz = [0-9]*;/map_skel_sz = sizeof(*s->maps);/" -e "/map->link = /d" ${skeleton}.tmp
            COMMAND ${CMAKE_COMMAND} -E rename ${skeleton}.tmp ${skeleton}
            DEPENDS ${source_abs}
            DEPFILE ${object}.d
            COMMENT "BPF ${base}.bpf.o"
            VERBATIM)
        add_custom_target(${id} DEPENDS ${skeleton})
        set_property(GLOBAL APPEND PROPERTY PRISM_BPF_OBJECTS ${object})
    endif()
    add_dependencies(${target} ${id})
    target_include_directories(${target} SYSTEM PRIVATE ${out})
endfunction()

function(prism_add_module)
    cmake_parse_arguments(M "" "NAME" "SOURCES;BPF;LIBRARIES" ${ARGN})
    set(target prism_module_${M_NAME})
    add_library(${target} MODULE ${M_SOURCES})
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${M_NAME} C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/prism/modules)
    if(TARGET prism_sdk)
        target_link_libraries(${target} PRIVATE prism_sdk prism_warnings ${M_LIBRARIES})
    else()
        target_link_libraries(${target} PRIVATE Prism::sdk ${M_LIBRARIES})
    endif()
    # clang leaves the sanitizers' own symbols to the program that loads the module.
    if(NOT (PRISM_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "Clang"))
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
    target_link_options(${target} PRIVATE -Wl,-z,now -Wl,-z,relro -Wl,--exclude-libs,ALL)
    foreach(bpf ${M_BPF})
        prism_bpf_object(${target} ${bpf})
    endforeach()
    find_program(PRISM_READELF NAMES readelf llvm-readelf)
    if(PRISM_READELF)
        add_custom_command(TARGET ${target} POST_BUILD
            COMMAND sh -c "${PRISM_READELF} -SW \"$1\" | grep -q '\\.note\\.prism\\.module' || { echo \"$1: no PRISM_MODULE_NOTE() in its sources\" >&2; exit 1; }"
                sh $<TARGET_FILE:${target}>
            VERBATIM)
    endif()
    install(TARGETS ${target} LIBRARY DESTINATION lib/prism/modules)
endfunction()
