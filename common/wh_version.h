/*
 * The version of module and daemon: see CHANGES.md.
 */

#ifndef WH_VERSION_H
#define WH_VERSION_H


#define WH_VERSION  "0.2.0"


#endif
