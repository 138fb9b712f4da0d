"""The community on a page: the FastAPI hub and the Streamlit app."""
